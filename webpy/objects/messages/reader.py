"""Owns `SizedReader`, which reads a body no further than its end and its limit."""

from __future__ import annotations

from typing import IO

from .errors import HTTPError

__all__ = ["SizedReader"]


class SizedReader:
    """Reads a body up to `length` bytes (None: to its end). Reading more than `maxbytes` raises HTTPError 413."""

    def __init__(self, fp: IO[bytes], length: int | None, maxbytes: int | None) -> None:
        self.fp = fp
        self.length = length
        self.maxbytes = maxbytes
        self.bytes_read = 0
        self.done = False

    def read(self, size: int | None = None, fp_out: IO[bytes] | None = None) -> bytes | None:
        """See `Entity.read`."""
        chunks = []
        left = self._left(size)
        while left is None or left > 0:
            data = self._count(self.fp.read(65536 if left is None else min(left, 65536)))
            if not data:
                break
            if left is not None:
                left -= len(data)
            if fp_out is None:
                chunks.append(data)
            else:
                fp_out.write(data)
        return b"".join(chunks) if fp_out is None else None

    def readline(self, size: int | None = None) -> bytes:
        """See `Entity.readline`."""
        left = self._left(size)
        return self._count(self.fp.readline(-1 if left is None else left))

    def readlines(self, sizehint: int | None = None) -> list[bytes]:
        """See `Entity.readlines`."""
        lines = []
        seen = 0
        while sizehint is None or seen < sizehint:
            line = self.readline()
            if not line:
                break
            lines.append(line)
            seen += len(line)
        return lines

    def finish(self) -> None:
        """Note that the body has been read to its end."""
        self.done = True

    def _left(self, size: int | None) -> int | None:
        if self.length is None:
            return size or None
        left = self.length - self.bytes_read
        return min(size, left) if size else left

    def _count(self, data: bytes) -> bytes:
        self.bytes_read += len(data)
        if self.maxbytes and self.bytes_read > self.maxbytes:
            raise HTTPError(413)
        if not data:
            self.finish()
        return data
