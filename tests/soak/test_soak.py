"""Half a minute under load while random workers are killed: the log has all answers, and the requests that were lost.

`wrk` sends requests for a quick answer as fast as it can; only their number can be compared with the log. The test's
own clients give each request a name, by which it is found in the log.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import Server
from tests.wire.client import Client, get

SOAK_S = 30
BETWEEN_KILLS_S = 1.5
WORKERS = 2
THREADS = 8
WRK_CONNECTIONS = 16
CLIENTS = 8
APP = """
import time
import webpy as web

class Hello(web.HTTPHandler):
    def do_get(self):
        return 200, "hello"

class Named(web.HTTPHandler):
    def do_get(self):
        time.sleep(0.003)
        return 200, self.groups[0]

routes = {"/hello": Hello, "/named/(.*)": Named}
"""


class NamedClient:
    """A thread that requests /named/CLIENT-NUMBER repeatedly and notes which were answered and which were lost."""

    def __init__(self, server: Server, number: int, over: threading.Event) -> None:
        self.answered: list[str] = []
        self.lost: list[str] = []
        self.refused = 0
        self.failure: BaseException | None = None
        self._server, self._number, self._over = server, number, over
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        client: Client | None = None
        asked = 0
        try:
            while not self._over.is_set():
                name = f"{self._number}-{asked}"
                asked += 1
                try:
                    if client is None:
                        client = Client(self._server)
                    client.send(get(f"/named/{name}"))
                    reply = client.read()
                except ConnectionRefusedError:
                    self.refused += 1
                    raise
                except (AssertionError, OSError):
                    self.lost.append(name)
                    if client is not None:
                        client.close()
                    client = None
                else:
                    assert (reply.status, reply.text) == (200, name)
                    self.answered.append(name)
        except BaseException as error:
            self.failure = error
        finally:
            if client is not None:
                client.close()


def kill_workers(server: Server, over: threading.Event) -> int:
    """Kill a random worker from time to time until `over` is set; return how many."""
    ready = WORKERS
    killed = 0
    chance = random.Random(1)
    while not over.wait(BETWEEN_KILLS_S):
        # wait for the replacement first: the test is about the loss of one worker, not of all of them
        server.wait_for(r"worker \d+ gen 1 \[\d+\] is ready", count=ready)
        os.kill(chance.choice(living(server)), signal.SIGKILL)
        killed += 1
        ready += 1
    return killed


def living(server: Server) -> list[int]:
    """Return the pids of the living workers, by the error log."""
    pids: list[int] = []
    for line in server.errors:
        if found := re.search(r"worker \d+ gen 1 \[(\d+)\] (is ready)?", line):
            pid = int(found[1])
            if found[2]:
                pids.append(pid)
            elif pid in pids:
                pids.remove(pid)
    return pids


@pytest.mark.slow
@pytest.mark.needs("wrk")
@pytest.mark.timeout(150)
def test_kills_under_load_lose_no_line_of_the_log(serve: Callable[..., Server], tmp_path: Path) -> None:
    app, log = tmp_path / "app.py", tmp_path / "access.log"
    app.write_text(APP)
    server = serve(
        app,
        *("--workers", str(WORKERS), "--threads", str(THREADS)),
        *("--access-log", str(log), "--access-format", "%(U)s %(s)s"),
    )
    server.wait_for(r"worker \d+ gen 1 \[\d+\] is ready", count=WORKERS)
    over = threading.Event()
    clients = [NamedClient(server, number, over) for number in range(CLIENTS)]
    wrk = subprocess.Popen(
        ["wrk", "-t1", f"-c{WRK_CONNECTIONS}", f"-d{SOAK_S}s", f"{server.url}/hello"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    stop = threading.Timer(SOAK_S, over.set)
    stop.start()
    try:
        kills = kill_workers(server, over)
        report = wrk.communicate(timeout=30)[0]
    finally:
        stop.cancel()
        over.set()
        wrk.kill()
        wrk.wait()
        for client in clients:
            client.join()
    assert [client.failure for client in clients] == [None] * CLIENTS
    assert kills >= SOAK_S / BETWEEN_KILLS_S / 2
    assert server.get("/hello").body == b"hello"
    assert server.stop() == 0
    assert not [line for line in server.errors if "Traceback" in line or "[critical]" in line]

    lines: Counter[tuple[str, str]] = Counter()
    hello = 0
    with open(log) as file:
        for line in file:
            if line == "/hello 200\n":
                hello += 1
            else:
                path, status = line.split()
                assert status in ("200", "killed"), line
                lines[path, status] += 1
    hello -= 1  # the test's own, at the end

    # Each of wrk's connections has one request outstanding at a time. wrk does not count one for each connection that a
    # kill has ended, and one for each connection at its own end.
    requests = int(re.search(r"(\d+) requests in", report)[1])  # type: ignore[index]
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", report)
    connect, read, write, timeout = map(int, errors.groups()) if errors else (0, 0, 0, 0)
    assert "Non-2xx" not in report, report
    assert (connect, timeout) == (0, 0), report
    killed = lines.pop(("/hello", "killed"), 0)
    # a worker killed between sending an answer and writing its line leaves it as killed
    assert requests <= hello + killed, report
    assert hello <= requests + read + write + WRK_CONNECTIONS, report
    assert killed <= kills, "of the quick requests a worker runs one at a time"

    # Each named request must be in the log.
    answered = {name for client in clients for name in client.answered}
    lost = {name for client in clients for name in client.lost}
    of_killed = {path.removeprefix("/named/") for path, status in lines if status == "killed"}
    of_answered = {path.removeprefix("/named/") for path, status in lines if status == "200"}
    assert len(answered) > 100 and kills <= len(lost) <= kills * CLIENTS
    assert answered <= of_answered | of_killed
    assert of_answered | of_killed <= answered | lost
    assert max(lines.values()) == 1, "no line twice"
    # Both answered and killed: the worker died just between the answer, its line, and the end of the request.
    assert len(of_killed & answered) <= kills, "a line too many for a request or two, never for most of them"
    assert len(of_killed) >= len(lost) / 3, "what was running when its worker died has a line that says so"
    print(f"{requests} + {len(answered)} answers, {kills} kills, {len(lost)} named lost, {len(of_killed)} marked")
