"""Bodies that come whole with their head: what the handler gets, also when the head is known and is not looked at."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import pytest

from tests.heads import head_bytes
from tests.worker.rig import Rig
from webpy import HTTPHandler
from webpy.decompression import DecompressionMixIn
from webpy.worker.connections.connection import Phase

Make = Callable[..., Rig]

TIMES = 4  # a head is known from the third time on


class Plain(HTTPHandler):
    def do_post(self) -> Any:
        return 200, self.request.body


class Squeezed(DecompressionMixIn, HTTPHandler):
    def do_post(self) -> Any:
        return 200, self.request.body


ROUTES = {"/plain": Plain, "/squeezed": Squeezed}


@pytest.mark.parametrize("body", [b"x", b'{"a": 1}', b"ends as a head does\r\n\r\n", b"\r\n\r\nbegins so", b"y" * 9000])
def test_every_way_to_the_body_gives_the_same(rig: Make, body: bytes) -> None:
    parts = rig(ROUTES)
    head = head_bytes("POST", "/plain", f"Content-Length: {len(body)}")
    for _ in range(TIMES):
        conn, _client = parts.connection()
        begun = parts.reading.begin(conn, head + body)
        assert begun is not None
        plan, request = begun
        assert (plan.handler, request.body, request.raw_body, request.rfile.read()) == (Plain, body, body, body)
        assert (conn.phase, bytes(conn.buffer), conn.exchange) == (Phase.IDLE, b"", None)


def test_what_comes_behind_a_body_waits_for_its_turn(rig: Make) -> None:
    parts = rig(ROUTES)
    one = head_bytes("POST", "/plain", "Content-Length: 3") + b"one"
    for _ in range(TIMES):
        conn, _client = parts.connection()
        begun = parts.reading.begin(conn, one + one)
        assert begun is not None
        assert begun[1].body == b"one"
        assert bytes(conn.buffer) == one


def test_a_body_of_which_a_part_is_missing_is_waited_for(rig: Make) -> None:
    parts = rig(ROUTES)
    head = head_bytes("POST", "/plain", "Content-Length: 6")
    for _ in range(TIMES):
        assert parts.reading.begin(parts.connection()[0], head + b"abcdef") is not None
        conn, client = parts.connection()
        assert parts.reading.begin(conn, head + b"abc") is None
        assert conn.phase == Phase.BODY
        client.sendall(b"def")
        exchange = parts.reading.more_body(conn, 0)
        assert exchange is not None
        assert exchange.request.body == b"abcdef"


def test_too_long_a_body_is_refused_every_time(rig: Make) -> None:
    parts = rig(ROUTES, max_body=10)
    head = head_bytes("POST", "/plain", "Content-Length: 11")
    for _ in range(TIMES):
        conn, client = parts.connection()
        assert parts.reading.begin(conn, head + b"x" * 11) is None
        parts.turn()
        assert client.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_chunks_are_decoded_every_time(rig: Make) -> None:
    parts = rig(ROUTES)
    head = head_bytes("POST", "/plain", "Transfer-Encoding: chunked")
    for _ in range(TIMES):
        begun = parts.reading.begin(parts.connection()[0], head + b"3\r\nabc\r\n0\r\n\r\n")
        assert begun is not None
        assert begun[1].body == b"abc"


def test_a_mixin_that_changes_the_body_does_so_every_time(rig: Make) -> None:
    parts = rig(ROUTES)
    squeezed = gzip.compress(b"long " * 100)
    head = head_bytes("POST", "/squeezed", f"Content-Length: {len(squeezed)}", "Content-Encoding: gzip")
    for _ in range(TIMES):
        begun = parts.reading.begin(parts.connection()[0], head + squeezed)
        assert begun is not None
        plan, request = begun
        assert plan.call(plan.handler(request, plan.groups)) == (200, b"long " * 100)
        assert request.raw_body == squeezed


def test_requests_of_a_worker_that_ends_are_found_in_no_cache(rig: Make) -> None:
    parts = rig(ROUTES)
    known = head_bytes("POST", "/plain", "Content-Length: 1")
    for _ in range(TIMES):
        begun = parts.reading.begin(parts.connection()[0], known + b"x")
        assert begun is not None
        assert begun[0].plain is not None
    parts.heads.close()
    begun = parts.reading.begin(parts.connection()[0], known + b"x")
    assert begun is not None
    assert begun[0].plain is None
