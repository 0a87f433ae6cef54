"""One request and its answer on a connection: sends an `Outgoing`, reads an `Answer` (RFC 9112).

Knows nothing of where the connection leads: the in-process client and the one of a real server share this.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import ssl
import threading
from collections.abc import Iterable, Iterator
from typing import IO, Any

from ..framework.headers import HTTPHeaders
from ..protocol import LAST_CHUNK, encode_chunk
from .answer import Answer
from .errors import BrokenAnswer
from .outgoing import Outgoing

__all__ = ["converse"]

_SHORT_BYTES = 65536  # a socket takes so much of a body although nobody reads yet


class _Read:
    """The reading end of a socket, as `http.client.HTTPResponse` wants a socket to be."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def makefile(self, _mode: str) -> IO[bytes]:
        return self._file


def converse(sock: Any, outgoing: Outgoing) -> Answer:
    """Send a request on a connected socket, and return the answer.

    With `Expect: 100-continue` the body is sent when the server asks for it. Raises BrokenAnswer if the answer does not
    come whole, TimeoutError after the socket's timeout.
    """
    with sock.makefile("rb") as file:
        if outgoing.headers.get("Expect", "").lower() == "100-continue":  # type: ignore[union-attr]
            sock.sendall(outgoing.head)
            if _is_asked(file):
                return _answered(sock, file, outgoing, b"")
            return _read(file, outgoing)
        return _answered(sock, file, outgoing, outgoing.head)


def _is_asked(file: io.BufferedReader) -> bool:
    """Return whether the server asks for the body; that it does so is taken from `file`."""
    if file.peek(12)[9:12] != b"100":
        return False
    while file.readline() not in (b"\r\n", b""):
        pass
    return True


def _answered(sock: Any, file: IO[bytes], outgoing: Outgoing, head: bytes) -> Answer:
    """Send `head` and the body, a long one while the answer is read: the server may answer before it has all of it."""
    body = outgoing.body
    if isinstance(body, bytes) and len(body) <= _SHORT_BYTES:
        _send(sock, [head + body])
        return _read(file, outgoing)
    pieces = _pieces(head, body, outgoing.chunked)
    if isinstance(sock, ssl.SSLSocket):  # one thread at a time may use it
        _send(sock, pieces)
        return _read(file, outgoing)
    failures: list[BaseException] = []

    def send() -> None:
        try:
            _send(sock, pieces)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        answer = _read(file, outgoing)
    except BrokenAnswer:
        thread.join(1.0)
        if failures:
            raise failures[0] from None
        raise
    thread.join(1.0)
    if failures:
        raise failures[0]
    return answer


def _pieces(head: bytes, body: bytes | Iterable[bytes], chunked: bool) -> Iterator[bytes]:
    yield head
    for piece in (body,) if isinstance(body, bytes) else body:
        if chunked and piece:
            yield encode_chunk(piece)
        elif piece:
            yield piece
    if chunked:
        yield LAST_CHUNK


def _send(sock: Any, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        try:
            sock.sendall(piece)
        except (ConnectionError, ssl.SSLError):  # the server takes no more: it has answered, or ended the connection
            return


def _read(file: IO[bytes], outgoing: Outgoing) -> Answer:
    """Return the answer that comes."""
    what = f"{outgoing.method} {outgoing.url}"
    # closed here: one that is closed when it is collected would flush the file, which is closed by then
    with contextlib.closing(http.client.HTTPResponse(_Read(file), method=outgoing.method)) as response:  # type: ignore[arg-type]
        try:
            response.begin()
        except (http.client.HTTPException, ConnectionError) as error:
            raise BrokenAnswer(f"{what}: the connection ended without an answer ({error})") from None
        answer = Answer(response.status, response.reason, HTTPHeaders(response.getheaders()), b"", outgoing.url)
        try:
            answer.body = response.read()
        except (http.client.HTTPException, ConnectionError) as error:
            if isinstance(error, http.client.IncompleteRead):
                answer.body = error.partial
            came = f"then the connection ended after {len(answer.body)} bytes"
            raise BrokenAnswer(f"{what}: {answer.status}, {came}", answer) from None
        return answer
