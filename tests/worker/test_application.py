"""The application under a supervisor: loading, serving until drained (in this process), and what was lost."""

from __future__ import annotations

import gc
import logging
import math
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.worker.rig import records
from webpy import HTTPHandler
from webpy.framework.atomic import ResourceLocks
from webpy.settings import resolve
from webpy.supervisor import CLOSED, Context, LoadError, Means, Message, Place, Row, Scoreboard
from webpy.supervisor.processes.messages import channel_pair, receive, send
from webpy.worker import Site, WebApplication
from webpy.worker.application import limits_of

WAIT_S = 10.0
LOCKS = ResourceLocks()  # of all applications here: each has a descriptor
GET = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.fixture
def row() -> Iterator[Row]:
    scoreboard = Scoreboard(1, 1)
    yield scoreboard.rows[0]
    scoreboard.close()


class Hello(HTTPHandler):
    def do_get(self) -> Any:
        return 200, f"hello {self.request.scheme}"


ROUTES = {"/.*": Hello}


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """A worker's process is its own: it sets what the test's process wants back."""
    log = logging.getLogger("webpy")
    before = (log.handlers[:], log.level, log.propagate)
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    log.handlers[:], log.propagate = before[0], before[2]
    log.setLevel(before[1])
    sys.setswitchinterval(interval)
    gc.enable()


def application(site: Site | None = None, http_log: logging.Logger | None = None, **given: Any) -> WebApplication:
    resolved = resolve({"access_format": "common", **given}, {}, None)
    return WebApplication(resolved, lambda: site or Site(ROUTES), LOCKS, http_log=http_log)


class Running:
    """An application that runs in a thread, the test being its master."""

    def __init__(self, app: WebApplication) -> None:
        self.scoreboard = Scoreboard(1, 32)
        self.row = self.scoreboard.rows[0]
        self.channel, theirs = channel_pair()
        self.channel.setblocking(True)
        self.channel.settimeout(WAIT_S)
        listener = socket.create_server(("127.0.0.1", 0))
        self.address = listener.getsockname()
        listener.setblocking(False)
        self._sockets = [listener, theirs]
        context = Context(Place(0, 1, self.row), Means(self.scoreboard, [listener], theirs))
        app.load()
        self.thread = threading.Thread(target=app.run, args=(context,), daemon=True)
        self.thread.start()
        packet = receive(self.channel)
        assert packet is not None and packet.message is Message.READY

    def ask(self, text: str = GET, tls: ssl.SSLContext | None = None) -> str:
        with socket.create_connection(self.address, timeout=WAIT_S) as plain:
            sock = tls.wrap_socket(plain, server_hostname="localhost") if tls else plain
            with sock:
                sock.sendall(text.encode())
                got = b""
                while data := sock.recv(65536):
                    got += data
        return got.decode()

    def drain(self) -> None:
        assert send(self.channel, Message.DRAIN)
        self.thread.join(WAIT_S)
        assert not self.thread.is_alive()

    def close(self) -> None:
        self.drain()
        for sock in (*self._sockets, self.channel):
            sock.close()


@pytest.fixture
def running() -> Iterator[Callable[..., Running]]:
    made: list[Running] = []

    def run(*arguments: Any, **given: Any) -> Running:
        made.append(Running(application(*arguments, **given)))
        return made[-1]

    yield run
    for one in made:
        one.close()


# -- serving ----------------------------------------------------------------------------------------------------------


def test_it_serves_logs_and_ends_when_drained(running: Callable[..., Running]) -> None:
    worker = running()
    answer = worker.ask()
    assert answer.startswith("HTTP/1.1 200 OK\r\n")
    assert answer.endswith("\r\n\r\nhello http")
    worker.drain()
    (record,) = records(worker.row)
    assert record.endswith('"GET / HTTP/1.1" 200 10')
    assert worker.scoreboard.load[0] == CLOSED
    with pytest.raises(ConnectionRefusedError):
        worker.ask()


def test_it_serves_tls(running: Callable[..., Running], tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "both.pem"))
    client = ssl.create_default_context()
    authority.configure_trust(client)
    worker = running(certfile=str(tmp_path / "both.pem"))
    assert worker.ask(tls=client).endswith("hello https")


def test_the_limits_are_those_of_the_settings(running: Callable[..., Running]) -> None:
    worker = running(max_line="50", max_headers="200", max_fields=3, max_body="10")
    head = "HTTP/1.1\r\nHost: a\r\n"
    assert worker.ask(f"GET /{'x' * 60} {head}\r\n").startswith("HTTP/1.1 414 ")
    assert worker.ask(f"GET / {head}X: {'x' * 300}\r\n\r\n").startswith("HTTP/1.1 431 ")
    assert worker.ask(f"GET / {head}A: 1\r\nB: 1\r\nC: 1\r\n\r\n").startswith("HTTP/1.1 431 ")
    assert worker.ask(f"POST / {head}Content-Length: 11\r\n\r\n").startswith("HTTP/1.1 413 ")
    settings = resolve({"max_line": "50", "max_headers": "200", "max_fields": 3, "max_body": "10"}, {}, None).settings
    limits = limits_of(settings)
    assert (limits.line_bytes, limits.head_bytes, limits.fields, limits.body_bytes) == (50, 200, 3, 10)


def test_a_result_that_runs_code_does_not_end_the_worker(running: Callable[..., Running], capfd: Any) -> None:
    class Odd(HTTPHandler):
        def do_get(self) -> Any:
            if "number" in self.request.resource:
                return 200.0, "x"
            return self._generate()

        def _generate(self) -> Iterator[Any]:
            raise KeyError("in a generator")
            yield 200

    worker = running(Site({"/odd.*": Odd, "/.*": Hello}))
    assert worker.ask().endswith("hello http")
    for path in ("/odd", "/odd/number"):
        for _ in range(2):
            answer = worker.ask(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert answer.startswith("HTTP/1.1 500 "), answer
    keep = f"GET /odd/number HTTP/1.1\r\nHost: a\r\n\r\n{'GET / HTTP/1.1'}\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert "hello http" in worker.ask(keep)


# -- loading ----------------------------------------------------------------------------------------------------------


def test_loading_finds_what_is_wrong_with_the_site() -> None:
    """As a LoadError, whose text is all that is shown."""
    with pytest.raises(LoadError, match="^route '/': got 'x', wanted a subclass"):
        application(Site({"/": "x"})).load()
    with pytest.raises(LoadError, match="^error route '500': got .*, wanted a subclass of HTTPErrorHandler"):
        application(Site(ROUTES, {"500": Hello})).load()
    with pytest.raises(LoadError, match="threads.* 0"):
        application(Site(ROUTES, {}, {"threads": 0})).load()


def test_what_the_site_raises_is_the_verdict() -> None:
    def find() -> Site:
        raise LookupError("no such database")

    with pytest.raises(LookupError, match="no such database"):
        WebApplication(resolve({}, {}, None), find, LOCKS).load()


def test_a_bad_access_format_is_found_before_anything_is_forked() -> None:
    with pytest.raises(ValueError, match="access format '%.nonsense'"):
        application(access_format="%(nonsense")


def test_the_settings_of_a_server_in_the_target_count_but_the_command_line_wins(
    running: Callable[..., Running],
) -> None:
    site = Site(ROUTES, {}, {"max_body": "10", "max_line": "50", "bind": ("127.0.0.1", 1)})
    worker = running(site, max_line="8K")
    assert worker.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n").startswith("HTTP/1.1 413 ")
    assert worker.ask(f"GET /{'x' * 60} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").startswith("HTTP/1.1 200 ")


def test_the_access_format_of_a_server_in_the_target_counts(running: Callable[..., Running]) -> None:
    resolved = resolve({}, {}, None)
    app = WebApplication(resolved, lambda: Site(ROUTES, {}, {"access_format": "%(m)s %(s)s"}), LOCKS)
    worker = Running(app)
    try:
        worker.ask()
    finally:
        worker.close()
    assert records(worker.row) == ["GET 200"]


# -- what was lost ----------------------------------------------------------------------------------------------------

LINE = b"192.0.2.1".ljust(40) + b"GET /slow HTTP/1.1".ljust(200)


def test_a_request_that_died_with_its_worker_is_marked(row: Row) -> None:
    record = application().lost(LINE.rstrip(), 1.0, row)
    assert record.startswith(b"192.0.2.1 - - [")
    assert b'"GET /slow HTTP/1.1" killed' in record
    assert record.endswith(b"\n")


@pytest.mark.parametrize("text", [b"", b"\0" * 240, b"\xff\n\r\"\\ " * 40, LINE[:41], b"x" * 240])
@pytest.mark.parametrize("started", [0.0, -1.0, 1e300, math.nan, math.inf, -math.inf])
def test_whatever_stands_on_the_scoreboard_makes_one_line(text: bytes, started: float, row: Row) -> None:
    record = application().lost(text, started, row)
    assert record.count(b"\n") == 1
    assert record.endswith(b"\n")
    assert b"\0" not in record


def test_without_an_access_log_of_ours_nothing_is_said(row: Row) -> None:
    assert application(access_log="off").lost(LINE, 1.0, row) == b""
    assert application(http_log=logging.Logger("mine")).lost(LINE, 1.0, row) == b""
