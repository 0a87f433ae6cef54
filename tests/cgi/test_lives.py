"""The life of scripts: they stream, and end with their timeout, their client, their worker, the server."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cgi.conftest import APP
from tests.cgi.processes import WAITING, await_end, waiting
from tests.chaos.processes import alive, workers
from tests.server import Server

SCRIPTS = {
    "waits": WAITING,
    "silent": "sleep 600 & echo $$ $! >&2; wait",
    "stubborn": f"trap '' TERM; {WAITING}",
    "gated": """echo "Content-Type: text/plain"; echo; echo first; read line <"$DOCUMENT_ROOT/gate"; echo "$line" """,
    "leaves": """printf 'Content-Type: a/b\\n\\n'; sleep 600 >/dev/null 2>&1 & echo $$ $!""",
    "floods": """printf 'Content-Type: a/b\\n\\n'; echo $$ >&2; exec cat /dev/zero""",
    "hello": "printf 'Content-Type: a/b\\n\\nhello'",
}

Serve = Callable[..., Server]


def pids_in_log(server: Server, name: str, count: int = 1) -> list[int]:
    """Return the pids that a script has written to standard error."""
    line = server.wait_for(rf"/{name}: [\d ]+$", count=count)
    return [int(word) for word in line.rpartition(": ")[2].split()]


@pytest.fixture(scope="module", autouse=True)
def gate(folder: Path) -> Path:
    path = folder / "gate"
    os.mkfifo(path)
    path.chmod(0o666)
    return path


# -- streams ---------------------------------------------------------------------------------------------------------


def test_output_comes_as_it_is_written(server: Server, gate: Path) -> None:
    with contextlib.closing(server.client()) as client:
        client.request("GET", "/cgi-bin/gated")
        answer = client.getresponse()
        assert answer.readline() == b"first\n"
        gate.write_text("second\n")
        assert answer.read() == b"second\n"


def test_scripts_that_wait_hold_nobody_up(server: Server) -> None:
    with contextlib.ExitStack() as scripts:
        for _ in range(6):
            scripts.enter_context(waiting(server, "/cgi-bin/waits"))
        for _ in range(4):
            assert server.get("/hello", timeout=2.0).status == 200


def test_only_so_many_run_at_once(server: Server) -> None:
    """The limit holds in each of the two workers; scripts of other routes count too."""
    with contextlib.ExitStack() as scripts:
        for _ in range(8):
            scripts.enter_context(waiting(server, "/cgi-bin/waits"))
        answer = server.get("/few/hello")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        server.wait_for("hello was not started: 1 scripts run in this worker$")


# -- ends ------------------------------------------------------------------------------------------------------------


def test_silence_ends_the_whole_group(server: Server) -> None:
    assert server.get("/brief/silent").status == 504
    server.wait_for(r"silent wrote nothing for 0\.3 s and was ended$")
    await_end(pids_in_log(server, "silent"))


def test_silence_in_the_middle_breaks_the_answer_off(server: Server) -> None:
    with waiting(server, "/brief/waits") as (pids, answer):
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            answer.read()
        await_end(pids)


@pytest.mark.slow
def test_one_that_does_not_want_to_end(server: Server) -> None:
    with waiting(server, "/cgi-bin/stubborn") as (pids, _):
        pass
    await_end(pids)


@pytest.mark.parametrize("reset", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_client_that_goes_ends_a_silent_script(server: Server, reset: bool) -> None:
    before = sum("/silent: " in line for line in server.errors)
    with contextlib.closing(server.connect()) as sock:
        sock.sendall(b"GET /cgi-bin/silent HTTP/1.1\r\nHost: a\r\n\r\n")
        pids = pids_in_log(server, "silent", before + 1)
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await_end(pids)
    server.wait_for('"GET /cgi-bin/silent HTTP/1.1" 499 ', server.log)


def test_a_client_that_goes_ends_a_script_that_gives(server: Server) -> None:
    before = sum("/floods: " in line for line in server.errors)
    with contextlib.closing(server.client()) as client:
        client.request("GET", "/cgi-bin/floods")
        assert len(client.getresponse().read(100_000)) == 100_000
        pids = pids_in_log(server, "floods", before + 1)
        assert all(alive(pid) for pid in pids)
    await_end(pids)


def test_what_a_script_leaves_in_the_background_lives_on(server: Server) -> None:
    with waiting(server, "/cgi-bin/leaves") as ((script, left), answer):
        assert answer.read() == b""
        await_end([script])
        assert server.get("/cgi-bin/hello").body == b"hello"
        assert alive(left)
        os.kill(left, signal.SIGKILL)


@pytest.mark.parametrize("victim", ["worker", "spawner"])
def test_a_killed_process_leaves_no_script_behind(server: Server, victim: str) -> None:
    with waiting(server, "/cgi-bin/waits") as (pids, answer):
        spawner = parent(pids[0])
        worker = parent(spawner)
        assert worker in workers(server)
        os.kill(worker if victim == "worker" else spawner, signal.SIGKILL)
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            answer.read()
        if victim == "worker":
            await_end([*pids, spawner])
        else:
            await_end(pids[:1])  # its group has nobody to end it
            os.kill(pids[1], signal.SIGKILL)
            assert alive(worker)
    for _ in range(6):  # on both workers
        assert server.get("/cgi-bin/hello").body == b"hello"


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


# -- the server's end ------------------------------------------------------------------------------------------------


def test_a_reload_waits_for_scripts_and_a_stop_leaves_nothing(serve: Serve, folder: Path, gate: Path) -> None:
    server = serve(APP, "--workers", "1", env={"CGI_BIN": str(folder / "cgi-bin")})
    with contextlib.closing(server.client()) as client:
        client.request("GET", "/cgi-bin/gated")
        answer = client.getresponse()
        assert answer.readline() == b"first\n"
        server.send(signal.SIGHUP)
        server.wait_for("worker 0 gen 2 .* is ready")
        assert server.get("/cgi-bin/hello").body == b"hello"
        gate.write_text("second\n")
        assert answer.read() == b"second\n"
    server.wait_for(r"worker 0 gen 1 \[\d+\] exited with status 0")
    assert server.stop() == 0
    assert server.processes() == []


@pytest.mark.slow
def test_a_stop_at_once_leaves_nothing(serve: Serve, folder: Path) -> None:
    server = serve(APP, "--workers", "1", env={"CGI_BIN": str(folder / "cgi-bin")})
    with waiting(server, "/cgi-bin/waits") as (pids, _):
        server.stop(signal.SIGQUIT)
        await_end(pids)
    assert server.processes() == []


def command(pid: int) -> bytes:
    """Return the command line of a process; empty if it has ended since it was listed."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


@pytest.mark.slow
def test_no_kill_leaves_a_script_behind(server: Server) -> None:
    """Workers are killed while scripts start, run and end; no script outlives its worker."""
    stop = threading.Event()
    seen: set[int] = set()

    def ask() -> None:
        while not stop.is_set():
            cut_off = contextlib.suppress(OSError, http.client.HTTPException, AssertionError)
            with cut_off, waiting(server, "/cgi-bin/waits") as (pids, answer):
                seen.update(pids)
                answer.read(1)

    clients = [threading.Thread(target=ask) for _ in range(6)]
    for client in clients:
        client.start()
    for _ in range(6):
        before = len(seen)
        deadline = threading.Event()
        while len(seen) < before + 4:
            deadline.wait(0.02)
        for pid in workers(server):
            os.kill(pid, signal.SIGKILL)
    stop.set()
    assert server.get("/cgi-bin/hello", timeout=30.0).body == b"hello"  # as soon as there is a worker again
    for pid in workers(server):
        os.kill(pid, signal.SIGKILL)
    for client in clients:
        client.join(30)
    await_end(sorted(seen))
    await_end([pid for pid in server.processes() if command(pid).startswith((b"/bin/sh", b"sleep"))])
