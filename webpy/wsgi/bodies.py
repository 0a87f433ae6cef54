"""Owns the bodies of applications' answers that are closed when they have been sent, and the check of their pieces."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

__all__ = ["PiecesBody", "checked", "close_result"]


def checked(piece: Any) -> bytes:
    if not isinstance(piece, bytes):
        raise TypeError(f"the application's body has {piece!r:.60}, wanted bytes")
    return piece


def close_result(result: Any) -> None:
    close = getattr(result, "close", None)
    if close is not None:
        close()


class PiecesBody:
    """A body in pieces: what was passed to `write`, then the first piece, then the others as they are made."""

    def __init__(
        self, written: tempfile.SpooledTemporaryFile[bytes] | None, first: bytes, rest: Iterator[Any], result: Any
    ) -> None:
        self._written = written
        self._first = first
        self._rest = rest
        self._result = result

    def __iter__(self) -> Iterator[bytes]:
        if self._written is not None:
            self._written.seek(0)
            while block := self._written.read(65536):
                yield block
        if self._first:
            yield self._first
        for piece in self._rest:
            yield checked(piece)

    def close(self) -> None:
        """Close the file of what was written, and the application's result in any case."""
        try:
            if self._written is not None:
                self._written.close()
        finally:
            close_result(self._result)
