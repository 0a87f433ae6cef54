"""Owns header fields as applications see them: a mapping that ignores case, and the elements of a field's value."""

from __future__ import annotations

import functools
import re
import time
from base64 import b64encode
from collections.abc import Iterable, Mapping
from email.header import decode_header
from typing import Any

from ...protocol.grammar import http_date as _http_date
from ...protocol.grammar import split_list
from .errors import HTTPError

__all__ = ["AcceptElement", "HeaderElement", "HeaderMap", "Host", "decode_text", "header_elements", "http_date"]

_WEIGHT = re.compile("; *q *=")
_CONTROLS = dict.fromkeys((*range(32), 127))


def http_date(timestamp: float | None = None) -> str:
    """Return an HTTP date (RFC 9110 section 5.6.7) of `timestamp` in seconds since 1970; None is now."""
    return _http_date(time.time() if timestamp is None else timestamp)


class Host:
    """One end of a connection: `ip`, `port` and `name`, which is the address again if it is not given."""

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
        """Return value and parameters of an element; parameters' names are in lower case."""
        value, *rest = (part.strip() for part in split_list(text, ";"))
        params: dict[str, Any] = {}
        for part in rest:
            name, equals, said = part.partition("=")
            if equals:
                said = said.strip()
                if len(said) >= 2 and said[0] == said[-1] == '"':
                    # as CherryPy: no other escapes, as a Windows client's filename has backslashes
                    said = said[1:-1].replace("\\\\", "\\").replace('\\"', '"')
                params[name.strip().lower()] = said
        return value, params

    @classmethod
    def from_str(cls, text: str) -> HeaderElement:
        """Return the element that `text` describes."""
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
    """A member of an Accept field. Members compare by their weight, `qvalue`."""

    @classmethod
    def from_str(cls, text: str) -> AcceptElement:
        """Return the element that `text` describes. Parameters behind the weight belong to the weight."""
        media_range, *weight = _WEIGHT.split(text, maxsplit=1)
        value, params = cls.parse(media_range.strip())
        if weight:
            params["q"] = HeaderElement.from_str(weight[0].strip())
        return cls(value, params)

    @property
    def qvalue(self) -> float:
        """The weight, 1 if not given. Raises HTTPError 400 if it is not a number."""
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
    """Return the members of a field's value in descending order: by weight in Accept fields, else by name."""
    kind = AcceptElement if name.startswith("Accept") or name == "TE" else HeaderElement
    return sorted((kind.from_str(member) for member in split_list(value)), reverse=True) if value else []


def decode_text(value: str) -> str:
    """Return the value with its encoded words (RFC 2047) decoded."""
    if "=?" not in value:
        return value
    parts = decode_header(value)
    return "".join(part.decode(charset or "latin-1") if isinstance(part, bytes) else part for part, charset in parts)


@functools.lru_cache(1024)
def _title(name: str) -> str:
    return name.title()


class HeaderMap(dict[str, Any]):
    """Fields by name. Names are compared without case and sent in title case."""

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
        """Return the field's value, or `default`."""
        return super().get(_title(name), default)

    def setdefault(self, name: str, default: Any = None) -> Any:
        """Set the field to `default` unless it is set, and return its value."""
        return super().setdefault(_title(name), default)

    def pop(self, name: str, *default: Any) -> Any:
        """Remove the field and return its value, or the default."""
        return super().pop(_title(name), *default)

    def update(self, fields: Any = (), **more: Any) -> None:  # type: ignore[override]
        """Set these fields, as `dict.update` does."""
        for name, value in dict(fields, **more).items():
            self[name] = value

    def copy(self) -> HeaderMap:
        """Return an independent copy."""
        return type(self)(self)

    def elements(self, name: str) -> list[Any]:
        """Return the members of the field's value: see `header_elements`."""
        return header_elements(_title(name), self.get(name))

    def values(self, name: str | None = None) -> Any:
        """Return the values of the field's members; without a name, the values of all fields."""
        return super().values() if name is None else [element.value for element in self.elements(name)]

    def output(self) -> list[tuple[bytes, bytes]]:
        """Return name and value of each field as bytes to send, without control characters."""
        return [(self.encode_item(name), self.encode_item(value)) for name, value in self.items()]

    @classmethod
    def encode_item(cls, value: Any) -> bytes:
        """Return a name or a value as bytes to send, without control characters."""
        if isinstance(value, bytes):
            return value.translate(None, bytes(_CONTROLS))
        return cls.encode(str(value).translate(_CONTROLS))

    @classmethod
    def encode(cls, text: str) -> bytes:
        """Encode text by the first of `encodings` that has all its characters, or as an encoded word (RFC 2047).

        Raises ValueError if neither is possible.
        """
        for encoding in cls.encodings:
            try:
                return text.encode(encoding)
            except UnicodeEncodeError:
                continue
        if cls.protocol == (1, 1) and cls.use_rfc_2047:
            return b"=?utf-8?b?" + b64encode(text.encode()) + b"?="
        raise ValueError(f"Could not encode header part {text!r} using any of the encodings {cls.encodings!r}.")
