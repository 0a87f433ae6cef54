"""From start to end: connections shared out, reloads, stops and kills, and what programs of their own do with it."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.server import Server

from .client import Client, get, until
from .conftest import APPS

Start = Callable[..., Server]


def start_workers(start: Start, workers: int, *options: str) -> Server:
    """apps/life.py, with every worker ready."""
    server = start("life", "--workers", str(workers), *options)
    server.wait_for(r"worker \d+ gen 1 .* is ready", count=workers)
    return server


def pid_of(client: Client) -> int:
    return int(client.ask("/pid").text)


def oom_score(pid: int) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


def test_memory_that_runs_out_costs_a_worker_before_the_master(start: Start) -> None:
    """As the kernel weighs them; tests/chaos/test_memory.py has it choose."""
    server = start_workers(start, 2)
    children = psutil.Process(server.pid).children(recursive=True)
    assert len(children) >= 3  # the loader too
    assert {oom_score(child.pid) for child in children} == {min(1000, oom_score(server.pid) + 100)}


# -- accepting ----------------------------------------------------------------------------------------------------


def evenly(pids: Counter[int], workers: int) -> None:
    assert len(pids) == workers, f"only {len(pids)} workers have connections: {pids}"
    assert max(pids.values()) / min(pids.values()) <= 1.25, f"uneven: {pids}"


def test_connections_opened_one_after_the_other_are_shared_out(start: Start) -> None:
    server = start_workers(start, 4)
    with ExitStack() as stack:
        clients = []
        for _ in range(400):
            clients.append(stack.enter_context(Client(server)))
            pid_of(clients[-1])
        evenly(Counter(map(pid_of, clients)), 4)


def test_connections_opened_all_at_once_are_shared_out(start: Start) -> None:
    server = start_workers(start, 4)
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server)) for _ in range(400)]
        for client in clients:
            client.send(get("/pid"))
        evenly(Counter(int(client.read().text) for client in clients), 4)


def test_connections_are_shared_out_anew_after_some_have_gone(start: Start) -> None:
    server = start_workers(start, 2)
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server)) for _ in range(100)]
        pids = list(map(pid_of, clients))
        leaving = [client for client, pid in zip(clients, pids, strict=True) if pid == pids[0]]
        for client in leaving:
            client.send(get("/pid", "Connection: close"))
            client.read()
            client.ended()  # the worker has forgotten it
        again = [stack.enter_context(Client(server)) for _ in leaving]
        assert Counter(map(pid_of, again))[pids[0]] > 0.8 * len(again)


def test_several_addresses_at_once(serve: Callable[..., Server], tmp_path: Path) -> None:
    binds = ("unix:here.sock", "[::1]:0", "127.0.0.1:0")
    options = [word for bind in binds for word in ("--bind", bind)]
    server = serve(APPS / "framework.py", *options, "--workers", "2", bind=None)
    assert server.path == str(tmp_path / "here.sock")
    server.wait_for("listening on ", count=len(binds))
    listening = [line.rpartition("//")[2] for line in server.errors if "listening on http://" in line]
    assert len(listening) == 2
    sockets = [socket.socket(socket.AF_UNIX), socket.socket(socket.AF_INET6), socket.socket(socket.AF_INET)]
    addresses: list[object] = [str(tmp_path / "here.sock")]
    addresses += [(host.strip("[]"), int(port)) for host, _, port in (where.rpartition(":") for where in listening)]
    for sock, address, host in zip(sockets, addresses, ("unix", "::1", "127.0.0.1"), strict=True):
        with sock:
            sock.settimeout(10)
            sock.connect(address)
            sock.sendall(get("/about", "Connection: close"))
            answer = b"".join(iter(lambda sock=sock: sock.recv(10_000), b""))
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["client_address"][0] == host
            server.wait_for(f"^{host} - - .*GET /about", server.log)
    assert server.stop() == 0
    assert not (tmp_path / "here.sock").exists()


# -- reload -------------------------------------------------------------------------------------------------------


class Keeper:
    """A client as browsers and proxies are: keeps its connection, and asks again on a new one if the server had
    closed the old one before it answered anything. On a new connection nothing may fail."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.pids: Counter[str] = Counter()
        self.answers = 0
        self.failure: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        client: Client | None = None
        try:
            while not self._stop.is_set():
                fresh = client is None
                if client is None:
                    client = Client(self.server)
                try:
                    client.send(get("/pid"))
                    reply = client.read()
                except (AssertionError, OSError):
                    if fresh or client.has_data:
                        raise
                    client.close()
                    client = None
                    continue
                assert reply.status == 200
                self.answers += 1
                self.pids[reply.text] += 1
                if reply.get("Connection") == "close":
                    client.ended()
                    client.close()
                    client = None
        except BaseException as error:
            self.failure = error
        finally:
            if client is not None:
                client.close()


def test_no_request_is_lost_by_reloads_under_load(start: Start) -> None:
    server = start_workers(start, 2)
    keepers = [Keeper(server) for _ in range(8)]
    for generation in (2, 3):
        server.send(signal.SIGHUP)
        server.wait_for(f"reload done: generation {generation} ")
        seen = [keeper.answers for keeper in keepers]
        until(
            lambda seen=seen: all(k.failure or k.answers > n for k, n in zip(keepers, seen, strict=True)),
            "more answers",
        )
    for keeper in keepers:
        keeper.end()
    assert [keeper.failure for keeper in keepers] == [None] * 8
    pids = sum((keeper.pids for keeper in keepers), Counter())
    assert len(pids) >= 6, "the workers of three generations have answered"
    assert server.stop() == 0
    lines = [line for line in server.log if '"GET /pid HTTP/1.1" 200 ' in line]
    assert len(lines) == sum(keeper.answers for keeper in keepers)
    assert len(server.log) == len(lines)


def test_a_request_that_runs_outlives_its_generation(start: Start, tmp_path: Path) -> None:
    server = start_workers(start, 1)
    with Client(server) as client, Client(server) as idle:
        pid = pid_of(client)
        assert pid_of(idle) == pid
        client.send(get("/held/a"))
        until((tmp_path / "began-a").exists, "the handler runs")
        server.send(signal.SIGHUP)
        server.wait_for("reload done")
        assert pid_of(idle) != pid
        with Client(server) as other:
            assert pid_of(other) != pid
        (tmp_path / "go-a").touch()
        reply = client.read()
        assert (reply.text, reply.get("Connection")) == (f"a {pid}", None)
        assert pid_of(client) == pid_of(idle)


# -- stop ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_finishes_what_runs_and_what_was_accepted(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    server = start_workers(start, 1, "--threads", "2")
    with ExitStack() as stack:
        # more than there are threads: some wait for their turn inside the worker
        idle, *clients = [stack.enter_context(Client(server, timeout=20)) for _ in range(7)]
        worker = pid_of(idle)
        for at, client in enumerate(clients):
            client.send(get(f"/held/{at}"))
        until(lambda: len(list(tmp_path.glob("began-*"))) >= 2, "the first handlers run")
        # a stopped worker accepts nothing: these wait in the listener's queue
        os.kill(worker, signal.SIGSTOP)
        queued = [stack.enter_context(Client(server, timeout=20)) for _ in range(3)]
        for client in queued:
            client.send(get("/pid"))
        server.send(number)
        server.wait_for("stopping")
        os.kill(worker, signal.SIGCONT)
        idle.ended()  # the worker knows that it stops
        for at in range(6):
            (tmp_path / f"go-{at}").touch()
        for client in queued:
            assert int(client.read().text) == worker
            client.ended()
        for at, client in enumerate(clients):
            reply = client.read()
            assert (reply.text, reply.get("Connection")) == (f"{at} {worker}", "close")
            client.ended()
    assert server.wait() == 0
    assert sum('HTTP/1.1" 200 ' in line for line in server.log) == len(server.log) == 1 + 6 + 3
    with pytest.raises(ConnectionRefusedError):
        server.connect()


def test_a_stop_does_not_wait_for_clients_that_have_asked_nothing(start: Start) -> None:
    server = start_workers(start, 1)
    with Client(server) as idle, Client(server) as silent:
        pid_of(idle)
        server.send(signal.SIGTERM)
        idle.ended()
        silent.ended()
    assert server.wait(5) == 0


def test_what_does_not_end_within_the_drain_timeout_is_killed_and_said_to_be(start: Start, tmp_path: Path) -> None:
    server = start_workers(start, 1, "--drain-timeout", "0.5")
    with Client(server) as client:
        client.send(get("/held/a"))
        until((tmp_path / "began-a").exists, "the handler runs")
        assert server.stop() in (0, 1)
        with pytest.raises((AssertionError, ConnectionResetError)):
            client.read()
    assert sum('"GET /held/a HTTP/1.1" killed ' in line for line in server.log) == 1


# -- kill ---------------------------------------------------------------------------------------------------------


def test_a_killed_worker_leaves_a_line_for_each_request_it_was_running(start: Start, tmp_path: Path) -> None:
    server = start_workers(start, 2)
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server)) for _ in range(12)]
        pids = [pid_of(client) for client in clients]
        victim = pids[0]
        for at, client in enumerate(clients):
            client.send(get(f"/held/{at}"))
        until(lambda: len(list(tmp_path.glob("began-*"))) == len(clients), "all handlers run")
        os.kill(victim, signal.SIGKILL)
        killed = [at for at, pid in enumerate(pids) if pid == victim]
        server.wait_for(" killed ", server.log, count=len(killed))
        for at in range(len(clients)):
            (tmp_path / f"go-{at}").touch()
        for at, client in enumerate(clients):
            if at in killed:
                with pytest.raises((AssertionError, ConnectionResetError)):
                    client.read()
            else:
                assert client.read().text == f"{at} {pids[at]}"
        server.wait_for(r"worker \d gen 1 .* is ready", count=3)
        with Client(server) as client:
            assert pid_of(client) != victim
    assert server.stop() == 0
    lines = [line for line in server.log if " killed " in line]
    asked = sorted(int(line.partition("/held/")[2].partition(" ")[0]) for line in lines)
    assert asked == killed
    assert all(line.startswith("127.0.0.1 - - [") and line.rpartition(" ")[2].isdigit() for line in lines)
    assert sum(" 200 " in line for line in server.log) == len(clients) + len(clients) - len(killed) + 1


def test_workers_do_not_outlive_their_master(start: Start) -> None:
    server = start_workers(start, 2)
    with Client(server) as client:
        pid_of(client)
        server.send(signal.SIGKILL)
        client.ended()
    until(lambda: server.processes() == [], "every process has gone")


# -- programs that serve themselves -------------------------------------------------------------------------------

EXAMPLE = """import webpy as web

saved = {}

class Handler(web.HTTPHandler):
    def do_get(self):
        if not self.request.headers.get('Authorization'):
            auth_headers = web.HTTPHeaders()
            auth_headers.set('WWW-Authenticate', 'Any')
            raise web.HTTPError(401, headers=auth_headers)

        body = saved.get(self.groups[0])

        if not body:
            raise web.HTTPError(404)

        return 200, body

    def do_put(self):
        saved[self.groups[0]] = self.request.body

        return 200, 'Accepted'

routes = { '/(.*)': Handler }

httpd = web.HTTPServer(('localhost', 8080), routes)
httpd.start()
"""


@pytest.fixture
def program(serve: Callable[..., Server], tmp_path: Path) -> Callable[..., Server]:
    """Gives `program(text) -> Server`: a Python program of this text, which starts a server."""

    def run(text: str, **env: str) -> Server:
        path = tmp_path / "program.py"
        path.write_text(text)
        return serve(path, program=[sys.executable], bind=None, env=env)

    return run


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_example_of_web_py(program: Callable[..., Server], number: signal.Signals) -> None:
    server = program(EXAMPLE.replace("8080", "0"), WEBPY_WORKERS="1")
    auth = {"Authorization": "x"}
    refused = server.get("/note")
    assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, "Any")
    assert server.get("/note", headers=auth).status == 404
    put = server.request("PUT", "/note", body=b"buy milk")
    assert (put.status, put.body) == (200, b"Accepted")
    found = server.get("/note", headers=auth)
    assert (found.status, found.body) == (200, b"buy milk")
    assert server.process.poll() is None, "start() has returned long ago, and the program stays up"
    assert server.stop(number) == 0
    assert server.processes() == []
    assert not any("Traceback" in line for line in server.errors)


def test_with(program: Callable[..., Server], tmp_path: Path) -> None:
    server = program(
        """
import urllib.request
import webpy as web

class Hello(web.HTTPHandler):
    def do_get(self):
        return 200, "hello"

httpd = web.HTTPServer(("127.0.0.1", 0), {"/": Hello}, workers=1, access_log="access.log")
assert not httpd.is_running() and httpd.address == ("127.0.0.1", 0)
with httpd:
    host, port = httpd.address
    assert httpd.is_running() and port
    print("got", urllib.request.urlopen(f"http://{host}:{port}/").read(), flush=True)
    try:
        httpd.start()
    except RuntimeError as error:
        print("again:", error, flush=True)
assert not httpd.is_running()
try:
    urllib.request.urlopen(f"http://{host}:{port}/")
except OSError as error:
    print("then", type(error.reason).__name__, flush=True)
httpd.start()
host, port = httpd.address
print("anew", urllib.request.urlopen(f"http://{host}:{port}/").read(), flush=True)
httpd.stop(10)
assert not httpd.is_running()
httpd.join()
httpd.close()
print("over", flush=True)
"""
    )
    assert server.wait() == 0, server.errors
    said = server.log
    assert said[0] == "got b'hello'"
    assert said[1].startswith("again: ")
    assert said[2:] == ["then ConnectionRefusedError", "anew b'hello'", "over"]
    assert len((tmp_path / "access.log").read_text().splitlines()) == 2
    assert server.processes() == []


def test_a_port_in_use(serve: Callable[..., Server], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        path = tmp_path / "program.py"
        path.write_text(f"""
import webpy as web
httpd = web.HTTPServer(("127.0.0.1", {taken.getsockname()[1]}), {{"/": web.HTTPHandler}})
try:
    httpd.start()
except OSError as error:
    print(error)
assert not httpd.is_running()
""")
        server = Server(path, cwd=tmp_path, program=[sys.executable], bind=None)
        try:
            assert server.wait() == 0, server.errors
            assert "in use" in server.log[0] and str(taken.getsockname()[1]) in server.log[0]
        finally:
            server.kill()


def test_logs_of_the_programs_own(program: Callable[..., Server], tmp_path: Path) -> None:
    server = program(
        """
import logging
import webpy as web

def to(name):
    log = logging.getLogger(name)
    log.setLevel("INFO")
    log.addHandler(logging.FileHandler(name))
    return log

class Hello(web.HTTPHandler):
    def do_get(self):
        if self.groups[0]:
            raise RuntimeError("a bug")
        return 200, "hello"

httpd = web.HTTPServer(("127.0.0.1", 0), {"/(.*)": Hello}, log=to("errors"), http_log=to("requests"), workers=2)
httpd.start()
"""
    )
    assert server.get("/").status == 200
    assert server.get("/bug").status == 500
    with Client(server) as client:
        client.send(b"nonsense\r\n\r\n")
        assert client.read().status == 400
    assert server.stop() == 0
    lines = (tmp_path / "requests").read_text().splitlines()
    assert sorted(line.partition('] "')[2].partition(' "-"')[0] for line in lines)[:2] == [
        'GET / HTTP/1.1" 200 5',
        'GET /bug HTTP/1.1" 500 28',
    ]
    assert len(lines) == 3 and '"nonsense" 400 ' in "".join(lines)
    assert "RuntimeError: a bug" in (tmp_path / "errors").read_text()
    assert server.log == []


def test_a_program_that_is_killed_takes_its_server_with_it(program: Callable[..., Server]) -> None:
    server = program(EXAMPLE.replace("8080", "0"), WEBPY_WORKERS="2")
    server.wait_for(r"worker \d .* is ready", count=2)
    server.send(signal.SIGKILL)
    until(lambda: server.processes() == [], "every process has gone")
