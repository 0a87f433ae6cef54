"""A client that sees every byte: sends what it is told, however odd, and reads answers by the letter of RFC 9112.

Owns one connection. Knows nothing of webpy. Everything that comes after the answers asked for is seen too: a test that
expects one answer only calls `ended`, which fails on anything but the end of the connection.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from dataclasses import dataclass
from types import TracebackType

__all__ = ["Client", "Reply", "get"]

PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. `framing`: how its end was told: none, length, chunked or close."""

    version: str
    status: int
    reason: str
    fields: list[tuple[str, str]]
    body: bytes
    framing: str
    trailers: list[tuple[str, str]]

    def get(self, name: str) -> str | None:
        """The only value of a field, None if there is none."""
        values = [value for key, value in self.fields if key.lower() == name.lower()]
        assert len(values) <= 1, f"{len(values)} fields {name}: {values}"
        return values[0] if values else None

    @property
    def text(self) -> str:
        return self.body.decode()


def get(path: str = "/", *fields: str, method: str = "GET", version: str = "HTTP/1.1", body: bytes = b"") -> bytes:
    """A request; with a Content-Length if it has a body."""
    length = [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([f"{method} {path} {version}", "Host: a", *fields, *length, "", ""]).encode() + body


class Client:
    """A connection to `server` (tests.server.Server), from the address `source` of this machine; with `tls`, a context,
    over TLS, resuming `session`."""

    def __init__(
        self,
        server: object,
        *,
        timeout: float = PATIENCE_S,
        tls: ssl.SSLContext | None = None,
        session: ssl.SSLSession | None = None,
        receive_buffer_bytes: int = 0,
        source: str = "",
    ) -> None:
        raw = socket.socket(socket.AF_INET)
        if source:
            raw.bind((source, 0))
        if receive_buffer_bytes:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        raw.settimeout(timeout)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            raw.connect(server.address)  # type: ignore[attr-defined]
            self.sock = raw
            if tls is not None:  # an end without close_notify raises SSLError
                tls.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)  # which Python 3.11.2 sets
                self.sock = tls.wrap_socket(
                    raw, server_hostname="localhost", suppress_ragged_eofs=False, session=session
                )
        except BaseException:
            raw.close()
            raise
        self._data = b""
        self._eof = False

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Vanish: the server gets a reset instead of an end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def send_bytewise(self, data: bytes) -> None:
        for at in range(len(data)):
            self.sock.sendall(data[at : at + 1])

    def end_sending(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def ask(self, *args: str, **keywords: object) -> Reply:
        """Send a request as `get` makes it, and read its answer."""
        self.send(get(*args, **keywords))  # type: ignore[arg-type]
        return self.read(str(keywords.get("method", "GET")))

    def read(self, method: str = "GET") -> Reply:
        """The next answer, to a request of this method; 1xx ones count."""
        head = self._until(b"\r\n\r\n")
        line, *lines = head[:-4].decode("latin-1").split("\r\n")
        version, status_text, reason = line.split(" ", 2)
        assert len(status_text) == 3, line
        status = int(status_text)
        fields = [_field(text) for text in lines]
        lengths = [value for name, value in fields if name.lower() == "content-length"]
        codings = [value for name, value in fields if name.lower() == "transfer-encoding"]
        assert len(lengths) + len(codings) <= 1, f"more than one framing: {fields}"
        body, trailers, framing = b"", [], "none"
        if status < 200 or status in (204, 304) or method == "HEAD":
            pass
        elif codings:
            assert codings == ["chunked"]
            body, trailers = self._chunks()
            framing = "chunked"
        elif lengths:
            body = self._exactly(int(lengths[0]))
            framing = "length"
        else:
            body = self.rest()
            framing = "close"
        return Reply(version, status, reason, fields, body, framing, trailers)

    def take(self, count: int) -> None:
        """Receive at least so many bytes more; `read` begins with them."""
        before = len(self._data)
        while len(self._data) < before + count:
            assert self._receive(), "the connection ended"

    def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        while self._receive():
            pass
        data, self._data = self._data, b""
        return data

    def broken_off(self) -> bytes:
        """Everything up to the reset that breaks the connection off."""
        try:
            self.rest()
        except ConnectionResetError:
            data, self._data = self._data, b""
            return data
        raise AssertionError("the connection ended as after a whole answer")

    def ended(self) -> None:
        """Wait for the connection's end; fails if anything comes before it."""
        rest = self.rest()
        assert rest == b"", f"after the last answer came {rest[:300]!r}"

    @property
    def has_data(self) -> bool:
        """Whether anything has come that no answer was made of."""
        return bool(self._data)

    def comes_within(self, seconds: float) -> bool:
        """Whether anything comes, be it the end, within so many seconds."""
        return bool(self._data or select.select([self.sock], [], [], seconds)[0])

    def wait_for_reset(self) -> None:
        """Wait until the server has reset the connection, without reading anything."""
        poller = select.poll()
        poller.register(self.sock, 0)  # errors are told of unasked
        assert poller.poll(PATIENCE_S * 1000), "no reset came"

    def nothing_yet(self) -> None:
        """Fails if anything has come, be it the end."""
        assert self._data == b""
        readable, _, _ = select.select([self.sock], [], [], 0)
        assert not readable, f"there came {self.sock.recv(300)!r}"

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._data:
            assert self._receive(), f"the connection ended after {self._data[:300]!r}"
        end = self._data.index(mark) + len(mark)
        taken, self._data = self._data[:end], self._data[end:]
        return taken

    def _exactly(self, count: int) -> bytes:
        pieces, have = [self._data], len(self._data)
        while have < count:
            piece = self.sock.recv(1 << 18)
            if not piece:
                self._data = b"".join(pieces)
                raise EOFError(f"the connection ended after {have} of {count} bytes")
            pieces.append(piece)
            have += len(piece)
        data = b"".join(pieces)
        self._data = data[count:]
        return data[:count]

    def _chunks(self) -> tuple[bytes, list[tuple[str, str]]]:
        body = b""
        while True:
            size = int(self._until(b"\r\n")[:-2], 16)
            if not size:
                break
            body += self._exactly(size)
            assert self._exactly(2) == b"\r\n"
        trailers = []
        while (line := self._until(b"\r\n")) != b"\r\n":
            trailers.append(_field(line[:-2].decode("latin-1")))
        return body, trailers

    def _receive(self) -> bool:
        if not self._eof:
            data = self.sock.recv(1 << 18)
            self._data += data
            self._eof = not data
        return not self._eof


def _field(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(": ")
    assert colon and name.strip() == name, f"malformed field {text!r}"
    return name, value


def until(condition: object, what: str, timeout_s: float = PATIENCE_S) -> None:
    """Wait for what no event tells of."""
    deadline = time.monotonic() + timeout_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.005)
