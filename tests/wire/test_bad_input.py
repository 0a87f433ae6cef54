"""Bad input on the wire: every row of the table is answered once, the connection closed, and no handler sees it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable

import pytest

from tests.protocol.bad_input import ACCEPTED, BAD, Accepted, Bad
from tests.server import Server
from webpy.protocol import REASONS, Limits

from .client import Client, Reply, get
from .conftest import Log

LIMITS = Limits()
# Far under the server's header timeout (10 s) and body timeout (30 s): an answer after one of those is too late.
AT_ONCE_S = 5.0
DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT")
# combined: peer - - [time] "request line" status bytes "referer" "agent" microseconds
LINE = re.compile(r'127\.0\.0\.1 - - \[[^]]+\] "(?P<line>.*)" (?P<status>\d{3}) (?P<bytes>\d+) ".*" ".*" (?P<us>\d+)')
NAMES = [bad.name for bad in BAD]


@pytest.fixture(scope="module")
def shared(share: Callable[..., Server]) -> Server:
    return share("record", "--workers", "1")


@pytest.fixture
def server(shared: Server) -> Server:
    calls(shared)
    return shared


def calls(server: Server) -> list[dict[str, object]]:
    """What the handler has seen since this was last asked."""
    return json.loads(server.get("/aside/calls").body)


def is_refusal(reply: Reply, status: int) -> None:
    assert reply.version == "HTTP/1.1"
    assert (reply.status, reply.reason) == (status, REASONS[status])
    assert reply.get("Connection") == "close"
    assert reply.framing == "length"
    assert DATE.fullmatch(reply.get("Date") or "")
    assert reply.get("Content-Type") == "text/plain; charset=utf-8"
    assert 5 < len(reply.text) < 500 and reply.text.isascii() and reply.text.endswith("\n")


def send_bad(client: Client, bad: Bad, before: bytes = b"") -> None:
    client.send(before + bad.raw)
    if bad.where == "end":
        client.end_sending()


@pytest.mark.parametrize("bad", BAD, ids=NAMES)
def test_bad_input_is_answered_once_and_the_connection_closed(server: Server, bad: Bad) -> None:
    with Client(server, timeout=AT_ONCE_S) as client:
        send_bad(client, bad)
        is_refusal(client.read(), bad.status)
        client.ended()
    assert calls(server) == []


@pytest.mark.parametrize("bad", BAD, ids=NAMES)
def test_bad_input_behind_a_good_request_spoils_only_itself(server: Server, bad: Bad) -> None:
    with Client(server, timeout=AT_ONCE_S) as client:
        send_bad(client, bad, before=get("/good"))
        good = client.read()
        assert (good.status, json.loads(good.body)["resource"]) == (200, "/good")
        is_refusal(client.read(), bad.status)
        client.ended()
    assert [call["resource"] for call in calls(server)] == ["/good"]


def test_nothing_behind_bad_input_is_looked_at(server: Server) -> None:
    for bad in BAD:
        if bad.where != "end":
            with Client(server, timeout=AT_ONCE_S) as client:
                client.send(bad.raw + b"\r\n\r\n" + get("/smuggled") * 2)
                is_refusal(client.read(), bad.status)
                client.ended()
    assert calls(server) == []


def test_every_refusal_has_its_line_in_the_access_log(server: Server) -> None:
    log = Log(server, r'" [45]\d\d ')
    sizes = []
    for bad in BAD:
        with Client(server, timeout=AT_ONCE_S) as client:
            send_bad(client, bad)
            sizes.append(len(client.read().body))
            client.ended()
    lines = log.lines(len(BAD))
    for bad, size, text in zip(BAD, sizes, lines, strict=True):
        line = LINE.fullmatch(text)
        assert line, text
        assert (int(line["status"]), int(line["bytes"])) == (bad.status, size), bad.name
        first = bad.raw.lstrip(b"\r\n").partition(b"\r")[0].partition(b"\n")[0][:60]
        if first.isascii() and first.decode().isprintable() and b'"' not in first and b"\\" not in first:
            assert line["line"].startswith(first.decode()), bad.name


def test_a_body_cut_short_is_refused_at_its_end_and_not_before(server: Server) -> None:
    for bad in BAD:
        if bad.where == "end":
            with Client(server, timeout=AT_ONCE_S) as client:
                client.send(bad.raw)
                calls(server)  # the one worker has seen what came before this
                client.nothing_yet()
                client.end_sending()
                is_refusal(client.read(), 400)
                client.ended()
    assert calls(server) == []


@pytest.mark.parametrize("head", [b"", b"\r\n", b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n"])
def test_a_connection_that_ends_before_its_head_does(server: Server, head: bytes) -> None:
    with Client(server, timeout=AT_ONCE_S) as client:
        client.send(get("/whole") + head)
        assert client.read().status == 200
        client.end_sending()
        if head.strip():
            is_refusal(client.read(), 400)
        client.ended()
    assert len(calls(server)) == 1


def test_a_refusal_can_be_read_by_a_client_that_still_sends(server: Server) -> None:
    """Closed at once, the unread bytes would make the kernel reset the connection, and the answer with it."""
    head = get("/", f"Content-Length: {1 << 40}", method="PUT")
    piece = bytes(1 << 16)
    with Client(server, timeout=AT_ONCE_S) as client:
        for _ in range(256):  # 16 MB, more than all buffers between
            client.send(head + piece)
            head = b""
        is_refusal(client.read(), 413)
        client.ended()
    assert calls(server) == []


def test_a_refusal_behind_an_answer_that_fills_the_socket(server: Server) -> None:
    """The refusal waits for room as any answer does, and is not lost."""
    many = 1500
    with Client(server, timeout=AT_ONCE_S, receive_buffer_bytes=4096) as client:
        sender = threading.Thread(target=client.send, args=(get("/" + "x" * 8000) * many + b"nonsense\r\n\r\n",))
        sender.start()
        for _ in range(many):
            assert client.read().status == 200
        is_refusal(client.read(), 400)
        client.ended()
        sender.join()
    assert len(calls(server)) == many


def test_max_body_is_what_the_setting_says(start: Callable[..., Server]) -> None:
    server = start("record", "--workers", "1", "--max-body", "10")
    with Client(server) as client:
        assert client.ask("/", method="POST", body=b"0123456789").status == 200
        client.send(get("/", "Content-Length: 11", method="POST"))
        is_refusal(client.read(), 413)
        client.ended()
    with Client(server) as client:
        client.send(get("/", "Transfer-Encoding: chunked", method="POST") + b"5\r\n01234\r\n6\r\n")
        is_refusal(client.read(), 413)
        client.ended()


def test_max_line_headers_and_fields_are_what_the_settings_say(start: Callable[..., Server]) -> None:
    server = start("record", "--workers", "1", "--max-line", "64", "--max-headers", "256", "--max-fields", "4")
    good = get("/" + "a" * 50, "A: b", "C: d", "E: " + "f" * 100)
    assert good.index(b"\r\n") == 64
    for raw, status in (
        (get("/" + "a" * 51), 414),
        (get("/", "A: " + "b" * 256), 431),
        (get("/", *["A: b"] * 4), 431),
    ):
        with Client(server) as client:
            client.send(good)
            assert client.read().status == 200
            client.send(raw)
            is_refusal(client.read(), status)
            client.ended()


@pytest.mark.parametrize("accepted", ACCEPTED, ids=[accepted.name for accepted in ACCEPTED])
@pytest.mark.parametrize("how", ["whole", "byte by byte"])
def test_odd_but_good_input_is_served(server: Server, accepted: Accepted, how: str) -> None:
    with Client(server, timeout=AT_ONCE_S) as client:
        if how == "whole" or len(accepted.raw) > 5000:
            client.send(accepted.raw)
        else:
            client.send_bytewise(accepted.raw)
        for expected in accepted.requests:
            reply = client.read(expected.method)
            assert (reply.version, reply.status) == ("HTTP/1.1", 200)
            assert reply.get("Connection") == (None if expected.keep_alive else "close") or b"HTTP/1.0" in accepted.raw
            if expected.method != "HEAD":
                seen = json.loads(reply.body)
                assert seen["method"] == expected.method
                assert (seen["resource"], seen["host"]) == (expected.resource, expected.host)
                assert seen["body"] == expected.body.decode("latin-1")
        if accepted.requests[-1].keep_alive:
            assert client.ask("/again").status == 200
        else:
            client.ended()
    assert len(calls(server)) == len(accepted.requests) + accepted.requests[-1].keep_alive


def test_trailers_stay_apart_from_the_headers(server: Server) -> None:
    with Client(server) as client:
        head = get("/", "Transfer-Encoding: chunked", "X-Head: 1", method="POST")
        client.send(head + b"2\r\nhi\r\n0\r\nX-Trailer: 2\r\nX-Head: 3\r\n\r\n")
        seen = json.loads(client.read().body)
    assert ["X-Head", "1"] in seen["fields"]
    assert not any("railer" in name for name, _ in seen["fields"])
    assert [value for name, value in seen["fields"] if name == "X-Head"] == ["1"]
    assert seen["trailers"] == [["X-Trailer", "2"], ["X-Head", "3"]]
    assert seen["body"] == "hi"


def test_pipelined_requests_that_come_in_odd_pieces_are_answered_in_order(server: Server) -> None:
    many = 50
    raw = b"".join(get(f"/{number}", method="POST", body=b"x" * number) for number in range(many))
    with Client(server, timeout=AT_ONCE_S) as client:
        for at in range(0, len(raw), 37):
            client.send(raw[at : at + 37])
        for number in range(many):
            seen = json.loads(client.read().body)
            assert (seen["resource"], len(seen["body"])) == (f"/{number}", number)
    assert len(calls(server)) == many
