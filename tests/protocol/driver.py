"""A connection without a socket: feeds the protocol as the worker does and writes down what comes of it.

Owns the order of calls (find, parse, read the body, go on with what is left over). Used by the tests of this
folder.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from webpy.protocol import BodyReader, Head, Limits, ProtocolError, find_head, parse_head

__all__ = ["FACTS", "Refused", "Request", "converse", "facts"]


class Request(NamedTuple):
    """One whole request."""

    line: bytes
    head: tuple[object, ...]
    body: bytes
    trailers: tuple[tuple[str, str], ...]


class Refused(NamedTuple):
    """The refusal that ends the conversation."""

    status: int
    where: str
    text: str


FACTS = (*(name for name in Head.__slots__ if not name.startswith("_")), "fields")


def facts(head: Head) -> tuple[object, ...]:
    """All that a head says, in the order of `FACTS`."""
    return tuple(getattr(head, name) for name in FACTS)


def converse(pieces: Iterable[bytes], limits: Limits, end: bool = False) -> tuple[list[Request], Refused | None]:
    """Whole requests, and the refusal if there was one, from the bytes a peer sent, piece by piece; and its
    end, if `end`."""
    requests: list[Request] = []
    buffer = b""
    seen = 0
    head: Head | None = None
    reader: BodyReader | None = None
    body = b""
    where = "head"
    try:
        for piece in pieces:
            buffer += piece
            while True:
                if reader is None:
                    where = "head"
                    if not buffer:
                        break
                    stop = find_head(buffer, limits, seen)
                    if stop < 0:
                        seen = len(buffer)
                        break
                    head = parse_head(buffer[:stop], limits)
                    reader = BodyReader(head, limits)
                    buffer = buffer[stop:]
                    body = b""
                    where = "body"
                if not reader.complete:
                    if not buffer:
                        break
                    body += reader.feed(buffer)
                    buffer = b""
                if not reader.complete:
                    break
                assert head is not None
                requests.append(Request(head.line, facts(head), body, reader.trailers))
                buffer = reader.excess + buffer
                reader = None
                seen = 0
        if end and reader is not None and not reader.complete:
            return requests, Refused(400, "end", "the connection ended inside the body")
    except ProtocolError as error:
        return requests, Refused(error.status, where, str(error))
    return requests, None
