"""Whatever is the application's never holds the lead: while it waits, others are answered by the same worker."""

from __future__ import annotations

import itertools
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.server import Server

from .client import Client, get, until

_numbers = itertools.count()


@pytest.fixture(scope="module")
def server(share: Callable[..., Server]) -> Server:
    return share("lead", "--workers", "1", "--threads", "30", "--write-timeout", "1")


@contextmanager
def holding(server: Server, cwd: Path | None = None) -> Iterator[str]:
    """Gives a name; in the end, when what has this name waits, others must be answered."""
    name = f"{next(_numbers)}"
    cwd = cwd or server.cwd
    try:
        yield name
        until((cwd / f"began-{name}").exists, f"{name} waits")
        with Client(server) as one, Client(server) as other:
            for client in (one, other) * 10:
                assert client.ask("/hello").text == "hello"
    finally:
        (cwd / f"go-{name}").touch()


EVERYWHERE = ("close", "wsgi", "iterable", "del", "drop", "body", "variable", "encode", "error")
PLAIN = [("GET", "HTTP/1.1")]


@pytest.mark.parametrize(
    ("where", "method", "version"),
    [
        *((where, *kind) for where in EVERYWHERE for kind in (*PLAIN, ("GET", "HTTP/1.0"), ("HEAD", "HTTP/1.1"))),
        *((where, *kind) for where in ("next", "read") for kind in (*PLAIN, ("GET", "HTTP/1.0"))),
        *((where, *kind) for where in ("result", "status", "headers") for kind in PLAIN),
    ],
)
def test_while_it_waits_others_are_answered(server: Server, where: str, method: str, version: str) -> None:
    with Client(server) as client, holding(server) as name:
        client.send(get(f"/{where}/{name}", method=method, version=version))
        if where in ("drop", "body"):  # goes when its thread runs something else
            client.send(get("/hello"))


def test_an_answer_that_the_leader_gave_goes_without_another_one(start: Callable[..., Server]) -> None:
    """The first request of a route is run by the leader."""
    server = start("lead", "--workers", "1")
    with Client(server) as client, holding(server) as name:
        client.send(get(f"/del/{name}"))


def test_a_close_that_waits_holds_back_nothing_of_its_own_answer(server: Server) -> None:
    for where in ("close", "wsgi"):
        with Client(server) as client, holding(server) as name:
            assert client.ask(f"/{where}/{name}").text == "x"


def test_a_close_after_the_client_has_gone(server: Server) -> None:
    with holding(server) as name:
        client = Client(server, receive_buffer_bytes=4096)
        client.send(get(f"/large/{name}"))
        client.take(1000)
        client.reset()


def test_a_close_after_a_client_that_took_nothing_for_too_long(server: Server) -> None:
    with Client(server, receive_buffer_bytes=4096) as client, holding(server) as name:
        client.send(get(f"/large/{name}"))
        client.take(1000)


def test_a_close_after_an_answer_that_took_its_time(server: Server) -> None:
    with Client(server) as client, holding(server) as name:
        client.send(get(f"/large/{name}"))
        assert len(client.read().body) == 4 << 20


@pytest.mark.parametrize("gone", [False, True])
def test_a_handler_made_before_the_body_came(server: Server, gone: bool) -> None:
    with Client(server) as client, holding(server) as name:
        client.send(get(f"/asks/{name}", "Expect: 100-continue", "Content-Length: 1", method="POST"))
        assert client.read().status == 100
        if gone:
            client.reset()
        else:
            client.send(b"x")


def test_a_logger_for_the_access_log_that_waits(serve: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import logging, sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent / 'apps')!r})\n"
        "import lead, webpy\n"
        "class Handler(logging.Handler):\n"
        "    def emit(self, record):\n"
        "        found = lead.re.search('/held/([0-9]+)', record.getMessage())\n"
        "        if found: lead.held(found[1])\n"
        "log = logging.Logger('http'); log.addHandler(Handler())\n"
        "lead.re = __import__('re')\n"
        "class Held(webpy.HTTPHandler):\n"
        "    def do_get(self): return 200, 'x'\n"
        "httpd = webpy.HTTPServer(('127.0.0.1', 0), {'/held/.*': Held, **lead.routes}, http_log=log, workers=1)\n"
        "httpd.run()\n"
    )
    server = serve("", bind=None, program=[sys.executable, "app.py"])
    with Client(server) as client, holding(server, tmp_path) as name:
        assert client.ask(f"/held/{name}").text == "x"


def test_a_close_that_is_slow_is_learned(server: Server) -> None:
    """Found waiting once, a handler's answers are closed on the pool: nobody has to take the lead for it again."""
    for _ in range(3):
        with Client(server) as client, holding(server) as name:
            assert client.ask(f"/close/{name}").text == "x"
    assert not [line for line in server.errors if re.search("raised|failed", line)]


@pytest.mark.parametrize("slow", [False, True])
def test_a_worker_does_not_end_while_a_body_is_being_closed(start: Callable[..., Server], slow: bool) -> None:
    server = start("lead", "--workers", "1", "--threads", "4")
    if slow:  # it has been learned, so the pool closes it
        with Client(server) as client, holding(server) as name:
            assert len(client.ask(f"/large/{name}").body) == 4 << 20
    name = f"{next(_numbers)}"
    with Client(server) as client:
        assert len(client.ask(f"/large/{name}").body) == 4 << 20
        until((server.cwd / f"began-{name}").exists, f"{name} waits")
        server.send(signal.SIGTERM)
        client.ended()
        time.sleep(0.3)  # nothing tells of what must not happen
        assert server.process.poll() is None
        (server.cwd / f"go-{name}").touch()
        assert server.wait() == 0
        assert (server.cwd / f"closed-{name}").exists()
