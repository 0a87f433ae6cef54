"""Owns the HTTP/1 serializer: from an answer (status, fields, body) to the bytes of its message. No sockets.

The plainest answers are made in place, by the loop and by `Exchange`, from the prefixes that `Clock` keeps; the others
come here. Called by the thread that ran the handler, as it may read what the application gave.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ...framework.answer import NO_SNIFFING, OURS, TEXT_TYPE, Answer, FileRange, compose, discard, file_range
from ...framework.response import ClosingBody
from ...protocol import LAST_CHUNK, Framing, ProtocolError, encode_chunk, encode_head, frame
from ..exchanges.clock import SERVER

if TYPE_CHECKING:
    from ...framework.headers import HTTPHeaders
    from ...framework.response import Response
    from ...protocol import Head
    from ..exchanges.clock import Preamble

__all__ = ["reject", "render", "render_shortly", "switch"]

#: the bodies that `render_shortly` takes, beside what `webpy.response` makes
_SHORT_KINDS = frozenset({str, bytes, io.BufferedReader, io.FileIO, FileRange})


def render(asked: Head, headers: HTTPHeaders | None, result: Any, date: str, closing: bool) -> Answer:
    """Return the answer to the request `asked` for a handler's `result`, ready to be sent.

    headers: what the handler set; date: the Date field (RFC 9110 section 6.6.1); closing: the connection shall end
    whatever the client wants. Raises BadResult if the result is not valid, ValueError for headers that would break the
    message (RFC 9112 section 5). The result's body is closed then.
    """
    answer = compose(asked.method, headers, result)
    try:
        keep = asked.keep_alive and not closing and not answer.close
        framing, framing_fields, keep = frame(answer.status, asked.method, asked.minor, keep, answer.length)
        answer.close = not keep
        if framing is Framing.CHUNKED and answer.source is not None:
            answer.source = _chunked(answer.source)
        said = answer.said
        first = [("Server", said.get("server", SERVER)), ("Date", said.get("date", date))]
        answer.head = encode_head(answer.status, answer.reason, [*first, *answer.fields, *framing_fields])
    except BaseException:
        discard(answer)
        raise
    return answer


def render_shortly(preamble: Preamble, response: Response | None, result: Any, close: bool) -> Answer | None:
    """Return the answer that is text, bytes or a file and nothing special, at a quarter of the cost of `render`; None
    for any other. Not for HEAD.

    close: the connection ends with it; otherwise the request's plan must be plain.
    """
    if type(result) is not tuple or len(result) != 2 or type(result[0]) is not int:
        return None
    status, body = result
    kind = type(body)
    if kind is ClosingBody:
        if body.tell():  # somebody has read of it
            return None
    elif kind not in _SHORT_KINDS:
        return None
    try:
        prefix = preamble.prefix(status, kind is str, response)
    except BaseException:  # `render` says what is wrong, and closes the file
        return None
    if prefix is None:
        return None
    answer = Answer(status)
    if kind is str or kind is bytes:
        answer.payload = body.encode() if kind is str else body
        length = len(answer.payload)
    elif kind is ClosingBody:
        answer.payload = body.getvalue()  # no copy
        answer.owner = body
        length = len(answer.payload)
    else:
        answer.file = body if kind is FileRange else file_range(body)
        if answer.file is None:
            return None
        answer.owner = body
        length = answer.file.count
    answer.close = close
    answer.head = (b"%b%d\r\nConnection: close\r\n\r\n" if close else b"%b%d\r\n\r\n") % (prefix, length)
    return answer


def reject(error: ProtocolError, preamble: Preamble, headers: HTTPHeaders | None = None) -> Answer:
    """Return the answer to a malformed request: it says what is wrong, and ends the connection.

    headers: the fields of mix-ins for errors, which are sent beside. Raises ValueError if they would break the message.
    """
    body = f"{error}\n".encode("ascii", "backslashreplace")
    fields = [
        ("Server", SERVER),
        ("Date", preamble.date),
        *preamble.more,
        ("Content-Type", TEXT_TYPE),
        NO_SNIFFING,
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
    ]
    if error.status == 429:
        fields.append(("Retry-After", "1"))
    if headers is not None:
        own = {name.lower() for name, _ in fields} | OURS
        fields += [(name, value) for name, value in headers if name.lower() not in own]
    answer = Answer(error.status)
    answer.head = encode_head(error.status, None, fields)
    answer.payload = body
    answer.close = True
    return answer


def switch(fields: Iterable[tuple[str, str]], date: str) -> Answer:
    """Return the answer 101, after which the connection speaks another protocol (RFC 9110 section 15.2.2).

    Raises ValueError for fields that would break the message.
    """
    answer = Answer(101)
    answer.head = encode_head(101, None, [("Server", SERVER), ("Date", date), ("Connection", "Upgrade"), *fields])
    return answer


def _chunked(source: Iterator[bytes]) -> Iterator[bytes]:
    for piece in source:
        yield encode_chunk(piece)
    yield LAST_CHUNK
