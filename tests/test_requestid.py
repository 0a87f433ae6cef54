"""webpy.requestid: one id in the answer, the access log, the error log and the application's own log."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.heads import request_of
from tests.server import ROOT, Server
from webpy import HTTPHandler
from webpy.json import JSONHandler
from webpy.requestid import RequestIDFilter, RequestIDMixIn

Serve = Callable[..., Server]
MADE = re.compile(r"[0-9a-f]{32}")


class Work(RequestIDMixIn):
    def do_get(self) -> Any:
        return 200, self.request.id


def identify(cls: type[HTTPHandler], *fields: str) -> str:
    """Return the id of a request, which has to be the same everywhere."""
    handler = cls(request_of("GET", "/", *fields), ())  # type: ignore[arg-type]
    _, body = handler.respond()
    name = getattr(cls, "request_id_field", "")
    assert handler.request.id == handler.response.headers[name] == handler.request.error_headers[name] == body
    return handler.request.id


def test_a_new_one_each_time() -> None:
    made = {identify(Work) for _ in range(100)}
    assert len(made) == 100 and all(MADE.fullmatch(one) for one in made)


@pytest.mark.parametrize("brought", ["order-66", "a" * 128, "00-4bf92f35-01", "A1._~+/=:@-"])
def test_one_that_is_brought_is_passed_on(brought: str) -> None:
    assert identify(Work, f"X-Request-ID: {brought}") == brought
    assert identify(Work, f"x-request-id: {brought}") == brought


@pytest.mark.parametrize("brought", ["", "a" * 129, "a b", "a,b", 'a"', "a\\", "<b>", "a;b", "\xe4", "%0a", "a\tb"])
def test_one_that_is_not_fit_is_not(brought: str) -> None:
    assert MADE.fullmatch(identify(Work, f"X-Request-ID: {brought}"))


def test_options() -> None:
    class Own(Work):
        request_id_field = "X-Trace"
        request_id_accepted = "[0-9]+"

    class Stranger(Work):
        request_id_accepted = None

    assert identify(Own, "X-Trace: 12", "X-Request-ID: 34") == "12"
    assert MADE.fullmatch(identify(Own, "X-Trace: a"))
    assert MADE.fullmatch(identify(Stranger, "X-Request-ID: a"))


def test_it_mixes_with_other_handlers() -> None:
    class Last(JSONHandler, RequestIDMixIn):
        def do_get(self) -> Any:
            return 200, [self.request.id]

        def encode(self, body: Any) -> Any:
            return super().encode(body).decode()[2:-2]

    assert identify(Last, "X-Request-ID: x") == "x"


def test_log_records_made_meanwhile() -> None:
    records = []

    class Logs(RequestIDMixIn):
        def do_get(self) -> Any:
            note()
            if self.groups:
                Logs(request_of("GET", "/", "X-Request-ID: inner"), ()).respond()  # type: ignore[arg-type]
                note()
            raise KeyError

    def note() -> None:
        record = logging.makeLogRecord({"msg": "text"})
        assert RequestIDFilter().filter(record)
        records.append(logging.Formatter("%(request_id)s %(message)s").format(record))

    note()
    with pytest.raises(KeyError):
        Logs(request_of("GET", "/", "X-Request-ID: outer"), ()).respond()  # type: ignore[arg-type]
    note()
    assert records == ["- text", "outer text", "- text"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    template = '%(h)s "%(r)s" %(s)s %(B)s %({x-request-id}o)s %({content-length}o)s'
    example = ROOT / "examples" / "request_id.py"
    started = Server(example, "--workers", "2", "--access-format", template, cwd=tmp_path_factory.mktemp("id"))
    started.wait_until_listening()
    yield started
    started.kill()


def test_the_example(server: Server) -> None:
    for _ in range(4):
        got = server.get("/work")
        name = got.headers["X-Request-ID"]
        assert got.body == f"done, {name}\n".encode() and MADE.fullmatch(name)
        server.wait_for(rf'^127\.0\.0\.1 "GET /work HTTP/1\.1" 200 39 {name} 39$', server.log)
        server.wait_for(rf"^{name} working$")
    assert server.get("/work", headers={"X-Request-ID": "order-66"}).body == b"done, order-66\n"
    server.wait_for("200 15 order-66 15$", server.log)
    server.wait_for("^order-66 working$")
    assert server.get("/work", headers={"X-Request-ID": 'x" 200 9'}).headers["X-Request-ID"] != 'x" 200 9'


def test_a_request_that_goes_wrong(server: Server) -> None:
    broken = server.get("/broken", headers={"X-Request-ID": "bad-1"})
    assert (broken.status, broken.headers["X-Request-ID"]) == (500, "bad-1")
    server.wait_for(r"\[error\] GET /broken \(Broken\) \[bad-1\] raised$")
    server.wait_for(r'"GET /broken HTTP/1\.1" 500 \d+ bad-1 \d+$', server.log)
    refused = server.request("DELETE", "/work", headers={"X-Request-ID": "bad-2"})
    assert (refused.status, refused.headers["X-Request-ID"]) == (405, "bad-2")
    server.wait_for('"DELETE /work HTTP/1.1" 405 .* bad-2 ', server.log)


def test_answers_that_no_handler_gave(server: Server) -> None:
    assert server.get("/nowhere").status == 404
    server.wait_for('"GET /nowhere HTTP/1.1" 404 16 - 16$', server.log)
    with server.connect() as sock:
        sock.sendall(b"nonsense\r\n\r\n")
        assert sock.recv(1000).startswith(b"HTTP/1.1 400 ")
    server.wait_for('"nonsense" 400 [0-9]+ - -$', server.log)


APP = """
import time
from webpy.requestid import RequestIDMixIn

class Slow(RequestIDMixIn):
    def do_get(self):
        time.sleep(0.1)
        return 200, 'slow'

class Stream(RequestIDMixIn):
    def do_get(self):
        return 200, self.pieces()

    def pieces(self):
        yield b'x'
        if self.request.query:
            raise ArithmeticError

class Unsendable(RequestIDMixIn):
    def do_get(self):
        return 200, 7

class Large(RequestIDMixIn):
    def do_post(self):
        return 200, b'x' * 3_000_000

routes = {'/slow': Slow, r'/stream\\??': Stream, r'/stream\\?bad': Stream, '/unsendable': Unsendable, '/large': Large}
"""


@pytest.mark.parametrize("http_log", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_way_of_answering(serve: Serve, tmp_path: Path, http_log: bool) -> None:
    """Answers of the leader, of pool threads, streams, too large for the socket, broken off: all logged with the id."""
    script = tmp_path / "app.py"
    script.write_text(APP)
    template = "%(U)s %(s)s %(B)s %({x-request-id}o)s"
    if http_log:
        lines = "import logging, sys, webpy\nif __name__ == '__main__':\n    log = logging.getLogger('http')\n"
        lines += "    log.addHandler(logging.StreamHandler(sys.stdout))\n    log.setLevel('INFO')\n"
        settings = f"http_log=log, workers=1, access_format={template!r}"
        lines += f"    webpy.HTTPServer(('127.0.0.1', 0), routes, {settings}).run()\n"
        script.write_text(APP + lines)
        server = serve(script, program=[sys.executable], bind=None)
    else:
        server = serve(script, "--workers", "1", "--access-format", template)
    for number in range(4):  # the first request shows that the handler waits; the others run on pool threads
        server.get("/slow", headers={"X-Request-ID": f"s{number}"})
        server.wait_for(f"^/slow 200 4 s{number}$", server.log)
    assert server.get("/stream", headers={"X-Request-ID": "t"}).body == b"x"
    server.wait_for("^/stream 200 [0-9]+ t$", server.log)
    assert len(server.request("POST", "/large", b"x", {"X-Request-ID": "l"}).body) == 3_000_000
    server.wait_for("^/large 200 3000000 l$", server.log)
    assert server.get("/unsendable", headers={"X-Request-ID": "u"}).headers["X-Request-ID"] == "u"
    server.wait_for(r"the answer of GET /unsendable \(Unsendable\) \[u\] cannot be sent")
    server.wait_for("^/unsendable 500 [0-9]+ u$", server.log)
    with server.connect() as sock:
        sock.sendall(b"GET /stream?bad HTTP/1.1\r\nHost: a\r\nX-Request-ID: b\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            while sock.recv(65536):
                pass
    server.wait_for(r"the body of GET /stream\?bad \(Stream\) \[b\] broke off")
    server.wait_for("^/stream 200 [0-9]+ b$", server.log)
