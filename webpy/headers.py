"""Owns `HTTPHeaders`, the mapping of field names to values that handlers read and write; knows nothing of the wire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = ["HTTPHeaders"]


class HTTPHeaders:
    """Fields of a message: names compare without case, keep their case and order; a name may occur more than once.

    Takes name and value pairs. (RFC 9110 section 5)
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields: dict[str, list[tuple[str, str]]] = {}
        for name, value in fields:
            self.add(name, value)

    def add(self, name: str, value: str) -> None:
        """Add one more field `name`, keeping those that are there."""
        field = (_text(name), _text(value))
        self._fields.setdefault(name.lower(), []).append(field)

    def set(self, name: str, value: str) -> None:
        """Make `value` the only value of `name`, in the place of the first one there was."""
        self._fields[_text(name).lower()] = [(name, _text(value))]

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of `name`, or `default`."""
        found = self._fields.get(name.lower())
        return found[0][1] if found else default

    def getlist(self, name: str, default: list[str] | None = None) -> list[str]:
        """All values of `name` in order, or `default` (an empty list when none is given)."""
        found = self._fields.get(name.lower())
        if found is None:
            return [] if default is None else default
        return [value for _, value in found]

    def remove(self, name: str) -> None:
        """Remove every field `name`; raises KeyError when there is none."""
        del self._fields[name.lower()]

    def items(self) -> Iterator[tuple[str, str]]:
        """Name and value of every field, those of one name together."""
        for fields in self._fields.values():
            yield from fields

    def copy(self) -> HTTPHeaders:
        """A copy that changes apart from this one."""
        return HTTPHeaders(self.items())

    __getitem__ = get
    __setitem__ = set
    __delitem__ = remove

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._fields

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return self.items()

    def __len__(self) -> int:
        return sum(map(len, self._fields.values()))

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, HTTPHeaders) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return "".join(f"{name}: {value}\r\n" for name, value in self)

    def __repr__(self) -> str:
        return f"HTTPHeaders({list(self)!r})"


def _text(value: object) -> str:
    if type(value) is not str and not isinstance(value, str):
        raise TypeError(f"a header's name and value are str, not {type(value).__name__}: {value!r}")
    return value
