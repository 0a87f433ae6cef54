"""The serializer of HTTP/1: the short way and the long way make the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from webpy.framework.headers import HTTPHeaders
from webpy.framework.response import Response
from webpy.protocol import Limits, parse_head
from webpy.worker.exchanges.clock import Clock, Preamble
from webpy.worker.http1.serializer import render, render_shortly

CLOSING = (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n")
KEPT = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def preamble() -> Preamble:
    return Clock(lambda _now: b"").preambles["http"]


def response(*fields: tuple[str, str]) -> Response | None:
    return Response(HTTPHeaders(fields)) if fields else None


@pytest.mark.parametrize("asked", [*CLOSING, KEPT])
@pytest.mark.parametrize("fields", [(), (("X-One", "1"),), (("Content-Type", "text/html"), ("Set-Cookie", "a=b"))])
@pytest.mark.parametrize("result", [(200, "text ä"), (200, b"bytes"), (404, ""), (200, b"x" * 100_000)])
def test_short_and_long_way_agree(asked: bytes, fields: tuple[tuple[str, str], ...], result: tuple[int, Any]) -> None:
    now, said, head = preamble(), response(*fields), parse_head(asked, Limits())
    close = asked in CLOSING
    short = render_shortly(now, said, result, close)
    long = render(head, None if said is None else said.headers, result, now.date, False)
    assert short is not None
    assert (
        (short.status, short.payload, short.close)
        == (long.status, long.payload, close)
        == (long.status, long.payload, long.close)
    )
    assert sorted(short.head.split(b"\r\n")) == sorted(long.head.split(b"\r\n"))
    assert short.head.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("close", [False, True])
def test_a_file_has_its_length(tmp_path: Path, close: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1234)
    with path.open("rb", buffering=0) as file:
        short = render_shortly(preamble(), None, (200, file), close)
        assert short is not None
        assert b"\r\nContent-Length: 1234\r\n" in short.head
        assert (b"\r\nConnection: close\r\n" in short.head, short.close) == (close, close)


@pytest.mark.parametrize(
    "result", [(204, b""), (304, b""), (200, iter([b"a"])), (200, None), (200, "OK", "a"), (99, "a"), None]
)
@pytest.mark.parametrize("close", [False, True])
def test_what_is_not_short(result: Any, close: bool) -> None:
    assert render_shortly(preamble(), None, result, close) is None


def test_a_connection_field_of_the_handlers_is_left_to_the_long_way() -> None:
    assert render_shortly(preamble(), response(("Connection", "x")), (200, "a"), True) is None
