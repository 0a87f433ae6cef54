"""Owns `Form`, the mapping that `request.body` is, and `File`. Knows neither how they are read nor any handler."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import IO, Any, TypedDict, TypeVar, overload

from ..framework.fields import ABSENT, MissingField, text_as, wrong_type

T = TypeVar("T")
D = TypeVar("D")

__all__ = ["File", "Form"]


class File(TypedDict):
    """A file of a form."""

    filename: str
    """The client's name for it, without folders and control characters; may be empty."""
    type: str
    """Its media type in lower case, without parameters; "text/plain" if none was sent (RFC 7578 section 4.4)."""
    charset: str
    """The charset of its type, "utf-8" if it names none."""
    length: int
    """Its length in bytes."""
    file: IO[bytes]
    """Its content, positioned at the beginning."""


class Form(dict[str, Any]):
    """Name to value: a str, or a `File`; of a name that was sent several times the last value, as in web.py.

    `form[name]` of a missing field raises a KeyError that is answered with 400, which names the field. Changing the
    mapping does not change what `getlist` returns.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lists: dict[str, list[Any]] = {}
        self._files: list[IO[bytes]] = []

    def add(self, name: str, value: str | File) -> None:
        """Add one more value of `name`."""
        self[name] = value
        self._lists.setdefault(name, []).append(value)

    def __missing__(self, name: object) -> Any:
        raise MissingField("form", name)

    def pop(self, name: str, default: Any = ABSENT) -> Any:
        """Do what dict.pop does; without a default a missing field raises as `form[name]` does."""
        return super().pop(name, default) if default is not ABSENT or name in self else self.__missing__(name)

    @overload
    def field(self, name: str) -> str: ...
    @overload
    def field(self, name: str, kind: Callable[[str], T]) -> T: ...
    @overload
    def field(self, name: str, kind: Callable[[str], T], default: D) -> T | D: ...
    def field(self, name: str, kind: Callable[[str], Any] = str, default: Any = ABSENT) -> Any:
        """Return the text of a field as `kind` reads it: int, float, bool, or any callable that takes the text.

        Raises HTTPError 400, which names the field, if it is a file, if `kind` refuses its text, or if it is missing
        and there is no `default`.
        """
        if default is not ABSENT and name not in self:
            return default
        value = self[name]
        if not isinstance(value, str):
            raise wrong_type("form", name, "a file", "text")
        return text_as("form", name, value, kind)

    def file(self, name: str) -> File:
        """Return the file `name`. Raises HTTPError 400, which names it, if it is missing or not a file."""
        value = self[name]
        if isinstance(value, str):
            raise wrong_type("form", name, value, "a file (multipart/form-data)")
        file: File = value
        return file

    def getlist(self, name: str) -> list[Any]:
        """Return all values of `name` in the order they were sent, an empty list if there are none."""
        return list(self._lists.get(name, ()))

    def own(self, file: IO[bytes]) -> IO[bytes]:
        """Add `file` to those that `close` closes; return it."""
        self._files.append(file)
        return file

    @property
    def has_files(self) -> bool:
        """True if there are files to close."""
        return bool(self._files)

    def owns(self, file: object) -> bool:
        """Return True if `file` is one of those that `close` closes."""
        return any(own is file for own in self._files)

    def close(self, *, but: object = None) -> None:
        """Close all files except `but`, which its new owner closes."""
        files, self._files = self._files, []
        for file in files:
            if file is not but:
                with contextlib.suppress(OSError):  # a full disk: the rest of the buffer is not needed any more
                    file.close()
