"""Owns `HTTPHeaders`, the mapping of field names to values that handlers read and write. Knows nothing of the wire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ..protocol.grammar import members, token_list

__all__ = ["HTTPHeaders"]


class HTTPHeaders:
    """The fields of a message (RFC 9110 section 5).

    Names are compared without case, and keep their case and order. A name may occur several times. Iterating gives
    pairs of name and value, in order; `len` is their number. Raises TypeError for names and values that are not str.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[tuple[str, str]] | Mapping[str, str] = ()) -> None:
        # Lower-case name, name, value of each. A list, as there are few: finding one of 12 takes 0.3 µs, and filling it
        # half as long as a dict of lists. A tuple may be shared (`of`); it is replaced by a list before a change.
        self._fields: list[tuple[str, str, str]] = []
        if fields:  # most begin empty, and the check for a mapping costs more than all the rest
            for name, value in fields.items() if isinstance(fields, Mapping) else fields:
                self.add(name, value)

    def add(self, name: str, value: str) -> None:
        """Add a field `name`, beside those of this name that are there."""
        field = (_text(name).lower(), name, _text(value))
        try:
            self._fields.append(field)
        except AttributeError:  # a tuple
            self._fields = [*self._fields, field]

    def set(self, name: str, value: str) -> None:
        """Make `value` the only value of `name`, in the place of the first of them."""
        field = (_text(name).lower(), name, _text(value))
        if not self._fields:
            self._fields = [field]
            return
        places = [place for place, (low, _, _) in enumerate(self._fields) if low == field[0]]
        if not places:
            self._fields = [*self._fields, field]
            return
        self._fields = [*self._fields]
        self._fields[places[0]] = field
        for place in reversed(places[1:]):
            del self._fields[place]

    def add_missing(self, fields: HTTPHeaders) -> None:
        """Add those of `fields` whose names are not there. Of Vary, add the members that are not there."""
        there = {low for low, _, _ in self._fields}
        self._fields = [*self._fields]
        for low, name, value in fields._fields:
            if low == "vary":
                for member in members(value):
                    self.add_member(name, member)
            elif low not in there:
                self._fields.append((low, name, value))

    def add_member(self, name: str, member: str) -> None:
        """Add `member`, a token, to the list in the field `name`, unless it is there already, in upper or lower case
        (RFC 9110 section 5.6.1)."""
        values = [value for value in self.getlist(name) if value]
        if member.lower() not in token_list(",".join(values)):
            self.set(name, ", ".join([*values, member]))

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the first value of `name`, or `default`."""
        wanted = name.lower()
        for low, _, value in self._fields:
            if low == wanted:
                return value
        return default

    def getlist(self, name: str, default: list[str] | None = None) -> list[str]:
        """Return all values of `name` in order; if there are none, `default` or an empty list."""
        wanted = name.lower()
        found = [value for low, _, value in self._fields if low == wanted]
        return found if found or default is None else default

    def remove(self, name: str) -> None:
        """Remove every field `name`. Raises KeyError if there is none."""
        wanted = name.lower()
        left = [field for field in self._fields if field[0] != wanted]
        if len(left) == len(self._fields):
            raise KeyError(name)
        self._fields = left

    def items(self) -> Iterator[tuple[str, str]]:
        """Return an iterator of name and value of every field, in order."""
        return iter([(name, value) for _, name, value in self._fields])

    def frozen(self) -> tuple[tuple[str, str, str], ...]:
        """Return all fields as a hashable value: name in lower case, name, and value of each, in order."""
        return tuple(self._fields)

    @classmethod
    def of(cls, frozen: tuple[tuple[str, str, str], ...]) -> HTTPHeaders:
        """Return new headers with the fields that `frozen` returned. It takes 0.1 µs, whatever their number."""
        made = cls.__new__(cls)
        made._fields = frozen  # type: ignore[assignment]
        return made

    def copy(self) -> HTTPHeaders:
        """Return a copy; changes of one do not change the other."""
        copy = HTTPHeaders()
        copy._fields = self._fields[:]
        return copy

    def __getitem__(self, name: str) -> str:
        """Return the first value of `name`. Raises KeyError if there is none."""
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str, value: str) -> None:
        self.set(name, value)

    def __delitem__(self, name: str) -> None:
        self.remove(name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return self.items()

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, HTTPHeaders) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return "".join(f"{name}: {value}\r\n" for name, value in self)

    def __repr__(self) -> str:
        return f"HTTPHeaders({list(self)!r})"


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a header's name and value are str, not {type(value).__name__}: {value!r}")
    return value
