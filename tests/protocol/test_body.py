"""Bodies: the state table visited whole, payload and leftovers, limits."""

from __future__ import annotations

import itertools
import time

import pytest

from webpy.protocol import BodyReader, Head, Limits, ProtocolError, encode_chunk, parse_head
from webpy.protocol.body import NEXT, Event, State

LIMITS = Limits()


def head_with(fields: bytes) -> Head:
    return parse_head(b"POST / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n", LIMITS)


CHUNKED = head_with(b"Transfer-Encoding: chunked\r\n")
FIXED = head_with(b"Content-Length: 5\r\n")
NONE = head_with(b"")

# What to feed to come into a state, and what to feed there for an event to happen.
WAY: dict[State, tuple[Head, bytes]] = {
    State.FIXED: (FIXED, b""),
    State.SIZE: (CHUNKED, b""),
    State.DATA: (CHUNKED, b"5\r\n"),
    State.GAP: (CHUNKED, b"5\r\nhello"),
    State.TRAILERS: (CHUNKED, b"0\r\n"),
    State.DONE: (NONE, b""),
}
CAUSE: dict[Event, bytes] = {
    Event.CHUNK: b"5\r\n",
    Event.LAST_CHUNK: b"0\r\n",
    Event.FILLED: b"hello",
    Event.CRLF: b"\r\n",
    Event.EMPTY_LINE: b"\r\n",
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)), ids=lambda one: one.name)
def test_every_state_and_event(state: State, event: Event) -> None:
    head, way = WAY[state]
    reader = BodyReader(head, LIMITS)
    reader.feed(way)
    assert reader.state is state
    cause = CAUSE[event]
    if (state, event) in NEXT:
        assert reader.feed(cause) == (b"hello" if event is Event.FILLED else b"")
        assert reader.state is NEXT[state, event]
        assert reader.complete is (reader.state is State.DONE)
        return
    # An event that the table has not got in this state does not happen: the bytes are payload, leftovers or
    # an error.
    try:
        payload = reader.feed(cause)
    except ProtocolError as error:
        assert error.status == 400
        assert state in (State.SIZE, State.GAP, State.TRAILERS)
        return
    if state in (State.DATA, State.FIXED):
        assert payload == cause
        assert reader.state is state
    elif state is State.DONE:
        assert (payload, reader.excess, reader.state) == (b"", cause, state)
    else:
        assert payload == b""
        shared = {(State.GAP, Event.EMPTY_LINE), (State.TRAILERS, Event.CRLF), (State.TRAILERS, Event.FILLED)}
        assert (state, event) in shared  # the same bytes as the event it has got, or a field not yet whole


def test_steps_seen_from_outside_are_those_of_the_table() -> None:
    steps = set()
    for head, raw in (
        (CHUNKED, b"5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nX: y\r\n\r\n"),
        (CHUNKED, b"0\r\n\r\n"),
        (FIXED, b"hello"),
    ):
        reader = BodyReader(head, LIMITS)
        for byte in raw:
            before = reader.state
            reader.feed(bytes((byte,)))
            if reader.state is not before:
                steps.add((before, reader.state))
    assert steps == {(state, after) for (state, _), after in NEXT.items()}


def test_no_body_is_complete_at_once() -> None:
    for fields in (b"", b"Content-Length: 0\r\n"):
        reader = BodyReader(head_with(fields), LIMITS)
        assert reader.complete
        assert reader.feed(b"GET") == b"" and reader.feed(b" /") == b""
        assert reader.excess == b"GET /"


def test_fixed_body_in_pieces_and_what_follows() -> None:
    reader = BodyReader(FIXED, LIMITS)
    assert reader.feed(b"he") == b"he" and not reader.complete
    assert reader.feed(b"") == b""
    assert reader.feed(b"lloGET /") == b"llo"
    assert reader.complete and reader.excess == b"GET /"


def test_chunked_body_trailers_and_what_follows() -> None:
    reader = BodyReader(CHUNKED, LIMITS)
    raw = encode_chunk(b"hello ") + encode_chunk(b"world") + b"0\r\nX-Sum: 1 \r\nx-sum: 2\r\n\r\nGET /"
    assert reader.feed(raw) == b"hello world"
    assert reader.complete and reader.excess == b"GET /"
    assert reader.trailers == (("X-Sum", "1"), ("x-sum", "2"))


def test_what_is_given_out_does_not_change_with_the_buffer() -> None:
    for head, raw in ((FIXED, b"helloGET"), (FIXED, b"hello"), (CHUNKED, b"5\r\nhello\r\n0\r\n\r\nGET")):
        buffer = bytearray(raw)
        reader = BodyReader(head, LIMITS)
        payload = reader.feed(buffer)
        buffer[:] = b"x" * len(buffer)
        assert payload == b"hello" and type(payload) is bytes and type(reader.excess) is bytes


def test_trailers_are_not_merged_into_the_head() -> None:
    reader = BodyReader(CHUNKED, LIMITS)
    reader.feed(b"0\r\nX-Role: admin\r\n\r\n")
    assert CHUNKED.get("x-role") is None
    assert "X-Role" not in dict(CHUNKED.fields)


def test_content_length_over_the_limit_is_refused_before_the_body() -> None:
    limits = Limits(body_bytes=4)
    with pytest.raises(ProtocolError) as caught:
        BodyReader(FIXED, limits)
    assert caught.value.status == 413
    assert not BodyReader(FIXED, Limits(body_bytes=5)).complete


def test_chunks_may_fill_the_limit_and_no_more() -> None:
    limits = Limits(body_bytes=5)
    assert BodyReader(CHUNKED, limits).feed(b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n") == b"hello"
    reader = BodyReader(CHUNKED, limits)
    reader.feed(b"3\r\nhel\r\n")
    with pytest.raises(ProtocolError) as caught:
        reader.feed(b"3\r\n")
    assert caught.value.status == 413


def test_extensions_are_counted_over_the_whole_body() -> None:
    limits = Limits(extension_bytes=6)
    assert BodyReader(CHUNKED, limits).feed(b"1;a\r\nx\r\n1;b;c\r\ny\r\n0\r\n\r\n") == b"xy"
    with pytest.raises(ProtocolError) as caught:
        BodyReader(CHUNKED, limits).feed(b"1;a\r\nx\r\n1;b;c\r\ny\r\n0;d\r\n\r\n")
    assert caught.value.status == 400


def test_unfinished_lines_are_refused_as_soon_as_they_cannot_end_well() -> None:
    sizes = (b"g", b"-", b" ", b"5x", b"5;\x00", b"5;a\n", b"\r", b"\n", b"1" * 17)
    for raw in (*sizes, b"5\r\nhello!", b"5\r\nhello\rx"):
        with pytest.raises(ProtocolError) as caught:
            BodyReader(CHUNKED, LIMITS).feed(raw)
        assert caught.value.status == 400


HOSTILE = {
    "quoted extension": b'5;a="' + b"\\a" * 2040,
    "extension without end": b"5" + b" \t" * 2040,
    "many extensions": b"5" + b";a" * 2040 + b";\r\n",
    "white space in an extension": b"5;a" + b" " * 4000 + b"\x00",
    "trailer without a colon": b"0\r\n" + b"a" * 32000 + b"\r\n\r\n",
    "trailer of spaces": b"0\r\nX:" + b" " * 32000 + b"\x00\r\n\r\n",
    "trailers": b"0\r\n" + b"X: y\r\n" * 100,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_hostile_bodies_take_linear_time(name: str, size: int) -> None:
    raw = HOSTILE[name]
    reader = BodyReader(CHUNKED, LIMITS)
    began = time.thread_time()
    try:
        for at in range(0, len(raw), size):
            reader.feed(raw[at : at + size])
    except ProtocolError:
        pass
    assert time.thread_time() - began < (1.5 if size == 1 else 0.03)


def test_tiny_chunks_take_linear_time() -> None:
    raw = b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"
    reader = BodyReader(CHUNKED, LIMITS)
    began = time.thread_time()
    assert reader.feed(raw) == b"x" * 100_000
    assert time.thread_time() - began < 2
