"""Owns `Form`, the mapping that `request.body` is, and `File`; knows neither how they are read nor who asks."""

from __future__ import annotations

import contextlib
from typing import IO, Any, TypedDict

__all__ = ["File", "Form"]


class File(TypedDict):
    """A file of a form."""

    filename: str
    """The client's name for it without folders and control characters; may be empty."""
    type: str
    """Its media type in lower case, without parameters; "text/plain" if none was sent (RFC 7578 section 4.4)."""
    charset: str
    """The charset its type named, or "utf-8"."""
    length: int
    """In bytes."""
    file: IO[bytes]
    """Its content, at the beginning."""


class Form(dict[str, Any]):
    """Name to value: a str, or a `File`. Of a name that came several times, the last value, as in the original.

    Changing the mapping does not change what `getlist` gives.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lists: dict[str, list[Any]] = {}
        self._files: list[IO[bytes]] = []

    def add(self, name: str, value: str | File) -> None:
        """Add one more value of `name`."""
        self[name] = value
        self._lists.setdefault(name, []).append(value)

    def getlist(self, name: str) -> list[Any]:
        """All values of `name` in the order they came; an empty list when there is none."""
        return list(self._lists.get(name, ()))

    def own(self, file: IO[bytes]) -> IO[bytes]:
        """Remember `file` as one to close; gives it back."""
        self._files.append(file)
        return file

    @property
    def has_files(self) -> bool:
        """Whether there is anything to close."""
        return bool(self._files)

    def owns(self, file: object) -> bool:
        """Whether `file` is one of this form's."""
        return any(own is file for own in self._files)

    def close(self, *, but: object = None) -> None:
        """Close all files, except `but`: that one is somebody else's from now on."""
        files, self._files = self._files, []
        for file in files:
            if file is not but:
                with contextlib.suppress(OSError):  # a full disk has no room for the end of what nobody wants
                    file.close()
