"""The lines that `webpy dev` prints."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pytest

from webpy.dev.terminal import Announcement, RequestLines, has_colours, listing
from webpy.framework.handler import HTTPHandler
from webpy.framework.routing.routes import compile_routes
from webpy.framework.routing.templates import path
from webpy.supervisor.logs.errorformat import FORMS, Record
from webpy.target.listing import list_routes


@dataclass
class Head:
    method: str
    resource: str
    line: bytes = b""

    def get(self, name_lower: str, /) -> None:
        return None

    field_line = get


def line(lines: RequestLines, status: int, us: int, head: Head | None = None) -> bytes:
    return lines.line(b"127.0.0.1", b"", lines.parts(head or Head("GET", "/a?b=c")), status, 5, us)


@pytest.mark.parametrize(
    ("us", "shown"),
    [(0, "0.00"), (412, "0.41"), (9_994, "9.99"), (10_000, "10"), (999_999, "999"), (3_210_000, "3.21 s")],
)
def test_times(us: int, shown: str) -> None:
    wanted = shown if shown.endswith(" s") else f"{shown} ms"
    assert line(RequestLines(False), 200, us) == f"GET /a?b=c 200 {wanted}\n".encode()


@pytest.mark.parametrize(("status", "colour"), [(200, "32"), (304, "36"), (404, "33"), (500, "1;31")])
def test_colours(status: int, colour: str) -> None:
    wanted = f"GET /a?b=c \x1b[{colour}m{status}\x1b[0m \x1b[2m0.00 ms\x1b[0m\n"
    assert line(RequestLines(True), status, 0) == wanted.encode()


def test_clients_write_no_escape_sequences() -> None:
    lines = RequestLines(False)
    assert line(lines, 200, 0, Head("GET", "/\x1b[2J\n")) == b"GET /\\x1B[2J\\x0A 200 0.00 ms\n"
    assert lines.unparsed(b"\x1b[2J") == (b"\\x1B[2J",)
    assert lines.lost(b"127.0.0.1 GET /\x1b HTTP/1.1\0\0", 0.0, 40) == b"GET /\\x1B HTTP/1.1 killed 0.04 ms\n"


def test_where_there_are_colours() -> None:
    ours, theirs = os.openpty()
    reader, writer = os.pipe()
    try:
        assert has_colours(theirs, {"TERM": "xterm"}) and has_colours(theirs, {"NO_COLOR": ""})
        assert not has_colours(theirs, {"NO_COLOR": "1"})
        assert not has_colours(theirs, {"TERM": "dumb"})
        assert not has_colours(writer, {"TERM": "xterm"})
    finally:
        for each in (ours, theirs, reader, writer):
            os.close(each)
    assert not has_colours(theirs, {})  # closed


class Both(HTTPHandler):
    def do_get(self) -> tuple[int, str]:
        return 200, ""

    do_post = do_get


def test_listing() -> None:
    routes = {"/": Both, r"/a\.html": Both, "/x/(.*)": Both, path("/items/{id:int}"): Both, path("/about"): Both}
    found = list(listing(list_routes(compile_routes(routes)), "http://[::1]:80"))  # type: ignore[arg-type]
    assert found == [
        "  http://[::1]:80/        GET POST  Both",
        "  http://[::1]:80/a.html  GET POST  Both",
        "  /x/(.*)                 GET POST  Both",
        "  /items/{id:int}         GET POST  Both",
        "  http://[::1]:80/about   GET POST  Both",
    ]
    many = list_routes(compile_routes({f"/{number}": Both for number in range(23)}))
    *shown, last = listing(many, "")
    assert len(shown) == 20 and last == "  and 3 more: `webpy routes` lists all of them"
    assert list(listing([], "")) == []


def test_the_announcement_is_shared_by_processes() -> None:
    announcement = Announcement()
    announcement.set("a long text that is replaced")
    if (pid := os.fork()) == 0:
        announcement.set("short é")
        os._exit(0)
    os.waitpid(pid, 0)
    assert announcement.get() == "short é"
    announcement.set("é" * 5000)
    assert announcement.get() == "é" * 2047


def test_forms_of_records_for_a_terminal() -> None:
    assert set(FORMS) == {"text", "json", "short", "colour"}
    record = Record("error", "no stock", logger="app", exception="Traceback")
    assert record.encode("short") == b"error: app: no stock\nTraceback\n"
    assert record.encode("colour") == b"\x1b[1;31merror:\x1b[0m app: no stock\nTraceback\n"
    for form in ("short", "colour"):
        assert Record("info", "changed: app.py").encode(form) == b"changed: app.py\n"
