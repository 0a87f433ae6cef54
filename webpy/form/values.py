"""Owns `Form`, the mapping that `request.body` is, and `File`; knows neither how they are read nor who asks."""

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

    `form[name]` of a field that did not come raises a KeyError that is answered with 400 and names the field.
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

    def __missing__(self, name: object) -> Any:
        raise MissingField("form", name)

    def pop(self, name: str, default: Any = ABSENT) -> Any:
        """As of dict; without a default a missing field raises as `form[name]` does."""
        return super().pop(name, default) if default is not ABSENT or name in self else self.__missing__(name)

    @overload
    def field(self, name: str) -> str: ...
    @overload
    def field(self, name: str, kind: Callable[[str], T]) -> T: ...
    @overload
    def field(self, name: str, kind: Callable[[str], T], default: D) -> T | D: ...
    def field(self, name: str, kind: Callable[[str], Any] = str, default: Any = ABSENT) -> Any:
        """The text of a field, as `kind` reads it: int, float, bool, or any callable of the text.

        Raises HTTPError 400 that names the field where it is a file or `kind` refuses its text, and where it is
        missing and no `default` is given.
        """
        if default is not ABSENT and name not in self:
            return default
        value = self[name]
        if not isinstance(value, str):
            raise wrong_type("form", name, "a file", "text")
        return text_as("form", name, value, kind)

    def file(self, name: str) -> File:
        """The file `name`. Raises HTTPError 400 that names it where it is missing or no file."""
        value = self[name]
        if isinstance(value, str):
            raise wrong_type("form", name, value, "a file (multipart/form-data)")
        file: File = value
        return file

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
