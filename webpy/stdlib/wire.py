"""Owns what stands for the socket of a handler of the standard library: its request to read, its answer to write."""

from __future__ import annotations

import io
import shutil
from typing import IO, Any

from ..framework.request import Request
from .channel import Channel

__all__ = ["Wire"]


class Wire:
    """What a handler has as `request` and `connection`: as much of a socket as an HTTP server has use for.

    Reading gives the request as it came, with its body decoded, and then the end. asked: webpy's own object for it.
    """

    def __init__(self, channel: Channel, received: IO[bytes], asked: Request) -> None:
        self.asked = asked
        self._channel = channel
        self._received = received
        self._timeout: float | None = None

    def makefile(self, mode: str = "r", buffering: int = -1, **_text: Any) -> Any:
        """A file of the request ("rb") or of the answer ("wb"), as `socket.makefile` makes them."""
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
        """As `socket.sendfile` does: the file from `offset` on, `count` bytes of it or all; how many they were."""
        file.seek(offset)
        if count is None:
            shutil.copyfileobj(file, _Writer(self._channel))
        else:
            self.sendall(file.read(count))
        return file.tell() - offset

    def fileno(self) -> int:
        raise io.UnsupportedOperation("a connection's descriptor is webpy's")

    def getpeername(self) -> tuple[str, int]:
        return self.asked.client_address

    def getsockname(self) -> tuple[str, int]:
        return self.asked.server_address

    def settimeout(self, value: float | None) -> None:
        """Kept and not followed: `--write-timeout` and `--body-timeout` are."""
        self._timeout = value

    def gettimeout(self) -> float | None:
        return self._timeout

    def setsockopt(self, *_option: Any) -> None:
        """Options are webpy's business."""

    def shutdown(self, how: int) -> None:
        """The connection is webpy's to end."""

    def close(self) -> None:
        """The connection is webpy's to end."""


class _Writer(io.RawIOBase):
    """The answer as a raw stream, below a buffered one."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._channel.write(bytes(data))
        return len(data)
