"""The atoms of access log formats, such as `%(h)s`: what each stands for, and how a template is split into them.

Owns the table of atoms, the named templates and the parser of templates. What depends only on the request's head is
read by a function of the head; what is new with every request (`PerRequest`) is filled in by the line writer of
`format`; a field of the answer (`AnswerField`) is read from the answer's head. Called when a format is compiled.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeAlias

from ..protocol.grammar import TOKEN
from .escaping import escape, escape_bytes, json_string

__all__ = [
    "ATOMS",
    "JSON",
    "NAMED",
    "AnswerField",
    "FromHead",
    "HeadFacts",
    "PerRequest",
    "RequestField",
    "Segment",
    "parse_template",
]


class KeepingLine(Protocol):
    """A field line of a request; `webpy.protocol.FieldLine` is one.

    kept: a function and what it made of the value, or None: clients send the same lines again and again.
    """

    kept: Any

    @property
    def value(self) -> str: ...


class HeadFacts(Protocol):
    """What a format reads of a request's head; `webpy.protocol.Head` has it."""

    @property
    def method(self) -> str: ...
    @property
    def resource(self) -> str: ...
    @property
    def line(self) -> bytes: ...
    def get(self, name_lower: str, /) -> str | None: ...
    def field_line(self, name_lower: str, /) -> KeepingLine | None: ...


class PerRequest(NamedTuple):
    """An atom filled in for each request: a bytes conversion, and expressions of the line writer's arguments."""

    conversion: bytes
    expressions: tuple[str, ...]


class AnswerField:
    """An atom for a field of the answer."""

    __slots__ = ("_find",)

    def __init__(self, name: str) -> None:
        self._find = re.compile(rb"\r\n%b:[ \t]*([^\r\n]*)" % re.escape(name.encode("ascii")), re.IGNORECASE).search

    def read(self, answer_head: bytes) -> bytes:
        """Return the first field of this name in `answer_head`, escaped; `-` without one."""
        found = self._find(answer_head)
        return (escape_bytes(found[1]) if found else b"") or b"-"


FromHead: TypeAlias = Callable[[HeadFacts], bytes]
"""Reads something of a request's head, escaped."""


class RequestField(NamedTuple):
    """An atom for a field of the request, or for a part of it.

    name: the field's, in lower case; read: gives what is written.
    """

    name: str
    read: FromHead


Segment: TypeAlias = bytes | PerRequest | FromHead | RequestField | AnswerField
"""A part of a format: literal text or an atom."""


def _field(name_lower: str) -> RequestField:
    return _escaped_field(name_lower, escape, b"-")


def _json_field(name_lower: str) -> RequestField:
    return _escaped_field(name_lower, json_string, b"null")


def _escaped_field(name_lower: str, escaped: Callable[[str], bytes], missing: bytes) -> RequestField:
    def value(head: HeadFacts) -> bytes:
        line = head.field_line(name_lower)
        if line is None:
            return missing
        kept = line.kept
        if kept is None or kept[0] is not escaped:
            kept = line.kept = escaped, escaped(line.value) or missing
        made: bytes = kept[1]
        return made

    return RequestField(name_lower, value)


def _user(head: HeadFacts) -> bytes:
    """Return the name in a Basic Authorization field (RFC 7617): what the client claims, unchecked."""
    scheme, _, token = (head.get("authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return b"-"
    try:
        return escape_bytes(base64.b64decode(token.strip(), validate=True).partition(b":")[0]) or b"-"
    except (binascii.Error, ValueError):
        return b"-"


_REQUEST: dict[str, tuple[Segment, str]] = {
    "h": (PerRequest(b"%b", ("peer",)), "the client's address"),
    "l": (b"-", "always -"),
    "u": (RequestField("authorization", _user), "the user name of Basic credentials, unchecked"),
    "t": (PerRequest(b"%b", ("stamp",)), "the local time, in brackets"),
    "r": (lambda head: escape_bytes(head.line), "the request line"),
    "m": (lambda head: escape(head.method or "-"), "the method"),
    "U": (lambda head: escape(head.resource.partition("?")[0]), "the path in normal form, without the query"),
    "q": (lambda head: escape(head.resource.partition("?")[2]), "the query"),
    "H": (lambda head: escape_bytes(head.line.rpartition(b" ")[2] or b"-"), "the protocol"),
    "s": (PerRequest(b"%d", ("status",)), "the status"),
    "B": (PerRequest(b"%d", ("body_bytes",)), "bytes of the answer's body"),
    "b": (PerRequest(b"%d", ("body_bytes",)), "the same"),
    "f": (_field("referer"), "the Referer field"),
    "a": (_field("user-agent"), "the User-Agent field"),
    "T": (PerRequest(b"%d", ("us // 1000000",)), "the time taken in whole s"),
    "M": (PerRequest(b"%d", ("us // 1000",)), "the time taken in whole ms"),
    "D": (PerRequest(b"%d", ("us",)), "the time taken in µs"),
    "L": (PerRequest(b"%d.%06d", ("us // 1000000", "us % 1000000")), "the time taken in s, with a fraction"),
    "p": (PerRequest(b"<%d>", ("getpid()",)), "the process writing the record"),
}

ATOMS: dict[str, str] = {f"%({name})s": what for name, (_, what) in _REQUEST.items()} | {
    "%({name}i)s": "the request's field of that name",
    "%({name}o)s": "the answer's field of that name, such as X-Request-ID",
    "%%": "a percent sign",
}
"""The atoms that a template may have, and what each stands for. A missing field is written as `-`."""

NAMED = {
    "common": '%(h)s - - %(t)s "%(r)s" %(s)s %(B)s',
    "combined": '%(h)s - - %(t)s "%(r)s" %(s)s %(B)s "%(f)s" "%(a)s" %(D)s',
}

JSON: list[Segment] = [
    b'{"time":"', PerRequest(b"%b", ("precise(stamp)",)), b'","peer":"', _REQUEST["h"][0],
    b'","request":', lambda head: json_string(head.line.decode("latin-1")),
    b',"method":', lambda head: json_string(head.method or None),
    b',"target":', lambda head: json_string(head.resource or None),
    b',"host":', _json_field("host"),
    b',"referer":', _json_field("referer"),
    b',"agent":', _json_field("user-agent"),
    b',"status":', _REQUEST["s"][0], b',"bytes":', _REQUEST["B"][0], b',"time_us":', _REQUEST["D"][0], b"}",
]  # fmt: skip

_PIECE = re.compile(r"%(?:(%)|\(([^()]*)\)s)|([^%]+)|%")
_FIELD_ATOM = re.compile(rf"\{{({TOKEN.pattern})\}}([io])")


def parse_template(template: str) -> list[Segment]:
    """Split a template into its segments. Raises ValueError, naming the template and what was wanted."""

    def refuse(what: str) -> ValueError:
        return ValueError(
            f"access format {template!r}: {what}; wanted common, combined, json, or a template"
            f" with the atoms {' '.join(ATOMS)}"
        )

    segments: list[Segment] = []
    atoms = 0
    for match in _PIECE.finditer(template):
        percent, atom, text = match.groups()
        if text is not None:
            if not text.replace("\t", "").isprintable():
                raise refuse("a control character in it")
            segments.append(text.encode("utf-8"))
        elif percent:
            segments.append(b"%")
        elif atom is None:
            raise refuse(f"a lone % at character {match.start()} (write %% for a percent sign)")
        elif field := _FIELD_ATOM.fullmatch(atom):
            segments.append(_field(field[1].lower()) if field[2] == "i" else AnswerField(field[1]))
            atoms += 1
        elif atom in _REQUEST:
            segments.append(_REQUEST[atom][0])
            atoms += 1
        else:
            raise refuse(f"unknown atom {match[0]}")
    if not atoms:
        raise refuse("neither a known name nor an atom in it")
    return segments
