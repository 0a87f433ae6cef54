"""Owns `Wire`, a substitute for the socket that the standard library's handlers read from and write to."""

from __future__ import annotations

import io
import shutil
from typing import IO, Any

from ..framework.request import Request
from .channel import Channel

__all__ = ["Wire"]


class Wire:
    """What a handler has as `request` and `connection`: the methods of a socket that HTTP servers use.

    Reading returns the request as it was received, with its body decoded, and then the end.
    webpy_request: webpy's own object for the request.
    """

    def __init__(self, channel: Channel, received: IO[bytes], webpy_request: Request) -> None:
        self.webpy_request = webpy_request
        self._channel = channel
        self._received = received
        self._timeout: float | None = None

    def makefile(self, mode: str = "r", buffering: int = -1, **_text: Any) -> Any:
        """Return a file to read the request from ("rb") or to write the answer to ("wb"), as `socket.makefile` does."""
        if mode == "rb":
            return self._received
        if mode == "wb":
            return io.BufferedWriter(_Writer(self._channel), buffering if buffering > 0 else io.DEFAULT_BUFFER_SIZE)
        raise ValueError(f"makefile: got mode {mode!r}, wanted 'rb' or 'wb'")

    def recv(self, size: int, flags: int = 0) -> bytes:
        return self._received.read(size)

    def sendall(self, data: Any, flags: int = 0) -> None:
        self._channel.write(bytes(data))

    def send(self, data: Any, flags: int = 0) -> int:
        self._channel.write(bytes(data))
        return len(data)

    def sendfile(self, file: IO[bytes], offset: int = 0, count: int | None = None) -> int:
        """Send `count` bytes (None: all) of a file from `offset` on; return how many, as `socket.sendfile` does."""
        file.seek(offset)
        if count is None:
            shutil.copyfileobj(file, _Writer(self._channel))
        else:
            self.sendall(file.read(count))
        return file.tell() - offset

    def fileno(self) -> int:
        raise io.UnsupportedOperation("a connection's descriptor is webpy's")

    def getpeername(self) -> tuple[str, int]:
        return self.webpy_request.client_address

    def getsockname(self) -> tuple[str, int]:
        return self.webpy_request.server_address

    def settimeout(self, value: float | None) -> None:
        """Store the value for `gettimeout`. It has no effect: `--write-timeout` and `--body-timeout` have."""
        self._timeout = value

    def gettimeout(self) -> float | None:
        return self._timeout

    def setsockopt(self, *_option: Any) -> None:
        """Does nothing: webpy sets the options of its sockets."""

    def shutdown(self, how: int) -> None:
        """Does nothing: webpy ends the connection."""

    def close(self) -> None:
        """Does nothing: webpy ends the connection."""


class _Writer(io.RawIOBase):
    """The answer as a raw stream, for a buffered writer on top."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._channel.write(bytes(data))
        return len(data)
