"""Owns the fields of a message as applications see them: a mapping without case, and the elements of a value."""

from __future__ import annotations

import functools
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from email.header import decode_header
from email.utils import formatdate
from typing import Any

from .errors import HTTPError

__all__ = ["AcceptElement", "HeaderElement", "HeaderMap", "Host", "decode_text", "header_elements", "http_date"]

_MEMBERS = re.compile(r',(?=(?:[^"]*"[^"]*")*[^"]*$)')  # a comma outside of quotes
_WEIGHT = re.compile("; *q *=")
_CONTROLS = dict.fromkeys((*range(32), 127))


def http_date(timestamp: float | None = None) -> str:
    """An HTTP date (RFC 9110 section 5.6.7); of now if `timestamp` is None."""
    return formatdate(timestamp, usegmt=True)


class Host:
    """An end of a connection: `ip`, `port` and `name`, the address again where nobody asked for a name."""

    def __init__(self, ip: str, port: int, name: str | None = None) -> None:
        self.ip = ip
        self.port = port
        self.name = ip if name is None else name

    def __repr__(self) -> str:
        return f"Host({self.ip!r}, {self.port!r}, {self.name!r})"


@functools.total_ordering
class HeaderElement:
    """A member of a field's value and its parameters, such as `form-data; name="x"`."""

    def __init__(self, value: str, params: dict[str, Any] | None = None) -> None:
        self.value = value
        self.params: dict[str, Any] = {} if params is None else params

    @staticmethod
    def parse(text: str) -> tuple[str, dict[str, Any]]:
        """Value and parameters; names of parameters in lower case."""
        value, *rest = _split_parameters(text)
        params: dict[str, Any] = {}
        for part in rest:
            name, equals, said = part.partition("=")
            if equals:
                said = said.strip()
                if len(said) >= 2 and said[0] == said[-1] == '"':
                    said = said[1:-1].replace("\\\\", "\\").replace('\\"', '"')
                params[name.strip().lower()] = said
        return value, params

    @classmethod
    def from_str(cls, text: str) -> HeaderElement:
        """The element that `text` says."""
        return cls(*cls.parse(text))

    def __str__(self) -> str:
        return self.value + "".join(f";{name}={value}" for name, value in self.params.items())

    def __bytes__(self) -> bytes:
        return str(self).encode("latin-1")

    def __lt__(self, other: HeaderElement) -> bool:
        return self.value < other.value

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__


class AcceptElement(HeaderElement):
    """A member of an Accept field: its weight is `qvalue`, and members are in the order of their weights."""

    @classmethod
    def from_str(cls, text: str) -> AcceptElement:
        """The element that `text` says; what follows its weight belongs to the weight."""
        media_range, *weight = _WEIGHT.split(text, maxsplit=1)
        value, params = cls.parse(media_range.strip())
        if weight:
            params["q"] = HeaderElement.from_str(weight[0].strip())
        return cls(value, params)

    @property
    def qvalue(self) -> float:
        """The weight. Raises HTTPError 400 if it is no number."""
        said = self.params.get("q", "1")
        try:
            return float(said.value if isinstance(said, HeaderElement) else said)
        except ValueError as error:
            raise HTTPError(400, f"Malformed HTTP header: `{self}`") from error

    def __lt__(self, other: HeaderElement) -> bool:
        assert isinstance(other, AcceptElement)
        mine, its = self.qvalue, other.qvalue
        return str(self) < str(other) if mine == its else mine < its


def header_elements(name: str, value: str | None) -> list[Any]:
    """The members of a field's value, the heaviest (or the last of the alphabet) first."""
    kind = AcceptElement if name.startswith("Accept") or name == "TE" else HeaderElement
    return sorted((kind.from_str(member) for member in _MEMBERS.split(value)), reverse=True) if value else []


def decode_text(value: str) -> str:
    """The value with its encoded words (RFC 2047) decoded."""
    if "=?" not in value:
        return value
    parts = decode_header(value)
    return "".join(part.decode(charset or "latin-1") if isinstance(part, bytes) else part for part, charset in parts)


def _split_parameters(text: str) -> Iterator[str]:
    """The parts between semicolons outside of quotes."""
    start = end = 0
    while end <= len(text):
        end = text.find(";", end)
        if end < 0:
            end = len(text)
        part = text[start:end]
        if end == len(text) or (part.count('"') - part.count('\\"')) % 2 == 0:
            yield part.strip()
            start = end + 1
        end += 1


@functools.lru_cache(1024)
def _title(name: str) -> str:
    return name.title()


class HeaderMap(dict[str, Any]):
    """Fields by their names, which are compared without case and sent in title case."""

    protocol = (1, 1)
    encodings = ("ISO-8859-1",)
    use_rfc_2047 = True

    def __init__(self, fields: Mapping[str, Any] | Iterable[tuple[str, Any]] = ()) -> None:
        super().__init__()
        self.update(fields)

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(_title(name))

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(_title(name), value)

    def __delitem__(self, name: str) -> None:
        super().__delitem__(_title(name))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(_title(name))

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or `default`."""
        return super().get(_title(name), default)

    def setdefault(self, name: str, default: Any = None) -> Any:
        """The value, which is `default` if there was none."""
        return super().setdefault(_title(name), default)

    def pop(self, name: str, *default: Any) -> Any:
        """Remove the field and give its value, or the default."""
        return super().pop(_title(name), *default)

    def update(self, fields: Any = (), **more: Any) -> None:  # type: ignore[override]
        """Set all of these fields."""
        for name, value in dict(fields, **more).items():
            self[name] = value

    def copy(self) -> HeaderMap:
        """A copy that changes apart from this one."""
        return type(self)(self)

    def elements(self, name: str) -> list[Any]:
        """The members of the field's value: see `header_elements`."""
        return header_elements(_title(name), self.get(name))

    def values(self, name: str | None = None) -> Any:
        """The values of the field's members; of all fields if no name is given."""
        return super().values() if name is None else [element.value for element in self.elements(name)]

    def output(self) -> list[tuple[bytes, bytes]]:
        """Name and value of every field as they are sent, without control characters."""
        return [(self.encode_item(name), self.encode_item(value)) for name, value in self.items()]

    @classmethod
    def encode_item(cls, value: Any) -> bytes:
        """A name or a value as it is sent."""
        if isinstance(value, bytes):
            return value.translate(None, bytes(_CONTROLS))
        return cls.encode(str(value).translate(_CONTROLS))

    @classmethod
    def encode(cls, text: str) -> bytes:
        """Text as bytes: in the first of `encodings` that has all of its characters, or as an encoded word.

        Raises ValueError if neither can be.
        """
        for encoding in cls.encodings:
            try:
                return text.encode(encoding)
            except UnicodeEncodeError:
                continue
        if cls.protocol == (1, 1) and cls.use_rfc_2047:
            return b"=?utf-8?b?" + b64encode(text.encode()) + b"?="
        raise ValueError(f"Could not encode header part {text!r} using any of the encodings {cls.encodings!r}.")
