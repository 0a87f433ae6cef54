"""The access log's lines: a format is compiled once, and each request then costs one bytes formatting.

Owns the formats (common, combined, json, a template of gunicorn's atoms), their escaping and their time
stamps. Knows no socket, no clock, no file: the loop hands in times and counts, and writes the records to
its ring. `lost` is called in the master, everything else in a worker.

Every value that a client chose is escaped, so a record is one line whatever the client sent. In text
formats `"`, `\\`, control bytes and bytes from 0x80 become `\\xHH`, as nginx writes them; json holds JSON
strings of the bytes read as latin-1. What depends on the request's head only is escaped in `parts`, which
the loop caches with the head. Fields of the answer are looked up in its head by `answered`, only if the format
has some (`reads_answers`): such a format sends answers the worker's longer way, which takes 6 µs more.

Measured with timeit on a shared 2-core VM, CPython 3.11 (Debian's) and 3.13: `line` of common takes 170 and
220 ns, of combined (120 bytes) 210 and 270 ns, of json 530 ns on 3.11, of which 310 are for the milliseconds;
`parts` of combined 1.6 to 2.2 µs, of json 3.6 to 4.8 µs.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeAlias

from .protocol.grammar import MONTHS, TOKEN

__all__ = ["ATOMS", "AccessFormat", "HeadFacts", "LineWriter", "compile_format"]

LineWriter: TypeAlias = Callable[[bytes, bytes, tuple[bytes, ...], int, int, int], bytes]


class HeadFacts(Protocol):
    """What a format needs of a request's head; `webpy.protocol.Head` is one."""

    @property
    def method(self) -> str: ...
    @property
    def resource(self) -> str: ...
    @property
    def line(self) -> bytes: ...
    def get(self, name_lower: str, /) -> str | None: ...


class AccessFormat:
    """A compiled format. Immutable; may be shared by threads and survives a fork.

    `line(peer, stamp, parts, status, body_bytes, us)` gives the record of an answered request, newline
    included. `peer` is the address without its port (`b"127.0.0.1"`, `b"unix"`) and is written as it is: it
    must hold no byte that a client chose. `stamp` comes from `stamp()`, `parts` from `parts()`, both of
    this very format; `us` is the time taken in microseconds. A format that `reads_answers` writes `-` for
    their fields unless `parts` went through `answered`.
    """

    __slots__ = ("_answers", "_escape", "_killed", "_stamp", "_variable", "line", "name", "reads_answers")

    def __init__(self, name: str, segments: list[_Segment], dialect: _Dialect) -> None:
        self.name = name
        self._variable = _variable_parts(segments)
        self._answers = [(place, part) for place, part in enumerate(self._variable) if isinstance(part, _AnswerField)]
        self.reads_answers = bool(self._answers)
        self._stamp = dialect.stamp
        self._escape = dialect.escape
        self.line = _line_writer(segments, None)
        self._killed = _line_writer(segments, dialect.killed)

    def __repr__(self) -> str:
        return f"AccessFormat({self.name!r})"

    def parts(self, head: HeadFacts) -> tuple[bytes, ...]:
        """What the record takes from the head, escaped and joined to the text around it."""
        return tuple([b"-" if isinstance(part, _AnswerField) else _join(part, head) for part in self._variable])

    def answered(self, parts: tuple[bytes, ...], answer_head: bytes) -> tuple[bytes, ...]:
        """`parts` with the fields of an answer, of which `answer_head` is all before the body."""
        filled = list(parts)
        for place, field in self._answers:
            filled[place] = field.read(answer_head)
        return tuple(filled)

    def stamp(self, now: float) -> bytes:
        """The local time `now` (Unix time, s) as this format writes it, with the zone's offset."""
        return self._stamp(now)

    def bad(self, peer: bytes, stamp: bytes, raw_line: bytes, status: int, body_bytes: int, us: int) -> bytes:
        """The record of a request that did not parse: `raw_line` is whatever there was of its first line."""
        return self.line(peer, stamp, self.parts(_Unparsed(raw_line)), status, body_bytes, us)

    def lost(self, text: bytes, now: float, us: int = 0) -> bytes:
        """The record of a request that died with its worker, marked `killed` where the status stands (json:
        status 0 and `"killed": true`). `text` is `peer SP request-line` from the scoreboard, NUL-padded, perhaps
        cut off, or torn: any bytes give a record. `us` is for how long the request had run."""
        peer, _, raw_line = text.partition(b"\0")[0].partition(b" ")
        parts = self.parts(_Unparsed(raw_line))
        return self._killed(self._escape(peer) or b"-", self._stamp(now), parts, 0, 0, us)


def compile_format(name_or_template: str) -> AccessFormat:
    """The format called `common`, `combined` or `json`, or made of a template with atoms such as `%(h)s`
    (see `ATOMS`).

    Raises ValueError, naming the value and what was wanted, for a template without an atom, with an unknown
    one, a lone % or a control character."""
    if name_or_template == "json":
        return AccessFormat("json", _JSON, _Dialect(_stamp_iso, _json_escape, b'0,"killed":true'))
    template = _NAMED.get(name_or_template, name_or_template)
    return AccessFormat(name_or_template, _parse(template), _Dialect(_stamp_clf, _escape_bytes, b"killed"))


class _PerRequest(NamedTuple):
    """An atom that `line` fills in: a bytes conversion and what it takes of line's arguments."""

    conversion: bytes
    expressions: tuple[str, ...]


class _Dialect(NamedTuple):
    """What text formats and json do differently: the time, a doubtful peer, the mark of a lost request."""

    stamp: Callable[[float], bytes]
    escape: Callable[[bytes], bytes]
    killed: bytes


class _AnswerField:
    """An atom that `answered` fills in: a field of the answer."""

    __slots__ = ("_find",)

    def __init__(self, name: str) -> None:
        self._find = re.compile(rb"\r\n%b:[ \t]*([^\r\n]*)" % re.escape(name.encode("ascii")), re.IGNORECASE).search

    def read(self, answer_head: bytes) -> bytes:
        """The first field of this name, escaped."""
        found = self._find(answer_head)
        return (_escape_bytes(found[1]) if found else b"") or b"-"


_FromHead: TypeAlias = Callable[[HeadFacts], bytes]
_Segment: TypeAlias = bytes | _PerRequest | _FromHead | _AnswerField
_Run: TypeAlias = list[bytes | _FromHead]


class _Unparsed:
    """Stands for the head of a request that has none: its first line, and what can be told from it."""

    __slots__ = ("line", "method", "resource")

    def __init__(self, line: bytes) -> None:
        self.line = line
        words = line.split(b" ") if _LINE_START.match(line) else [b"", b""]
        self.method, self.resource = words[0].decode("latin-1"), words[1].decode("latin-1")

    def get(self, name_lower: str, /) -> str | None:
        return None


_LINE_START = re.compile(rf"{TOKEN.pattern} [^ ]".encode())

_UNSAFE = re.compile(r'[^ !#-\[\]-~]')


def _hex(match: re.Match[str]) -> str:
    char = match[0]
    data = char.encode("latin-1") if char <= "\xff" else char.encode("utf-8", "surrogatepass")
    return "".join([f"\\x{b:02X}" for b in data])


def _escape(text: str) -> bytes:
    return _UNSAFE.sub(_hex, text).encode("ascii")


def _escape_bytes(data: bytes) -> bytes:
    return _escape(data.decode("latin-1"))


def _json_string(text: str | None) -> bytes:
    return json.dumps(text).encode("ascii")


def _json_escape(data: bytes) -> bytes:
    return _json_string(data.decode("latin-1"))[1:-1]


def _stamp_clf(now: float) -> bytes:
    t = time.localtime(now)
    month = MONTHS[t.tm_mon - 1]
    return time.strftime(f"[%d/{month}/%Y:%H:%M:%S %z]", t).encode("ascii")


def _stamp_iso(now: float) -> bytes:
    now_ms = int(now * 1000)
    text = time.strftime("%Y-%m-%dT%H:%M:%S|%z", time.localtime(now_ms // 1000))
    moment, _, zone = text.partition("|")
    return f"{moment}.{now_ms % 1000:03}{zone[:-2]}:{zone[-2:]}".encode("ascii")


_MS = [b"%03d" % ms for ms in range(1000)]
_precise_cache: tuple[bytes, float, bytes, bytes] = (b"", 0.0, b"", b"")


def _precise(stamp: bytes) -> bytes:
    """The present time, as `_stamp_iso` writes it, made from a stamp of this second, or anew if that is over."""
    global _precise_cache
    now = time.time()
    known, second, head, tail = _precise_cache
    if stamp is not known:
        second = now - now % 60 + int(stamp[17:19])
        head, tail = stamp[:20], stamp[23:]
        _precise_cache = (stamp, second, head, tail)
    past_s = now - second
    return head + _MS[int(past_s * 1000)] + tail if 0 <= past_s < 1 else _stamp_iso(now)


def _field(name_lower: str) -> _FromHead:
    def value(head: HeadFacts) -> bytes:
        return _escape(head.get(name_lower) or "-")

    return value


def _json_field(name_lower: str) -> _FromHead:
    def value(head: HeadFacts) -> bytes:
        return _json_string(head.get(name_lower))

    return value


def _user(head: HeadFacts) -> bytes:
    """The name in a Basic Authorization field (RFC 7617): what the client claims, not what was checked."""
    scheme, _, token = (head.get("authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return b"-"
    try:
        return _escape_bytes(base64.b64decode(token.strip(), validate=True).partition(b":")[0]) or b"-"
    except (binascii.Error, ValueError):
        return b"-"


_REQUEST: dict[str, tuple[_Segment, str]] = {
    "h": (_PerRequest(b"%b", ("peer",)), "the client's address"),
    "l": (b"-", "always -"),
    "u": (_user, "the user name of Basic credentials, unchecked"),
    "t": (_PerRequest(b"%b", ("stamp",)), "the local time, in brackets"),
    "r": (lambda head: _escape_bytes(head.line), "the request line"),
    "m": (lambda head: _escape(head.method or "-"), "the method"),
    "U": (lambda head: _escape(head.resource.partition("?")[0]), "the path in normal form, without the query"),
    "q": (lambda head: _escape(head.resource.partition("?")[2]), "the query"),
    "H": (lambda head: _escape_bytes(head.line.rpartition(b" ")[2] or b"-"), "the protocol"),
    "s": (_PerRequest(b"%d", ("status",)), "the status"),
    "B": (_PerRequest(b"%d", ("body_bytes",)), "bytes of the answer's body"),
    "b": (_PerRequest(b"%d", ("body_bytes",)), "the same"),
    "f": (_field("referer"), "the Referer field"),
    "a": (_field("user-agent"), "the User-Agent field"),
    "T": (_PerRequest(b"%d", ("us // 1000000",)), "the time taken in whole s"),
    "M": (_PerRequest(b"%d", ("us // 1000",)), "the time taken in whole ms"),
    "D": (_PerRequest(b"%d", ("us",)), "the time taken in µs"),
    "L": (_PerRequest(b"%d.%06d", ("us // 1000000", "us % 1000000")), "the time taken in s, with a fraction"),
    "p": (_PerRequest(b"<%d>", ("getpid()",)), "the process writing the record"),
}

ATOMS: dict[str, str] = {f"%({name})s": what for name, (_, what) in _REQUEST.items()} | {
    "%({name}i)s": "the request's field of that name",
    "%({name}o)s": "the answer's field of that name, such as X-Request-ID",
    "%%": "a percent sign",
}
"""The atoms a template may have, and what each stands for. A field that is missing is written as `-`."""

_NAMED = {
    "common": '%(h)s - - %(t)s "%(r)s" %(s)s %(B)s',
    "combined": '%(h)s - - %(t)s "%(r)s" %(s)s %(B)s "%(f)s" "%(a)s" %(D)s',
}

_JSON: list[_Segment] = [
    b'{"time":"', _PerRequest(b"%b", ("precise(stamp)",)), b'","peer":"', _REQUEST["h"][0],
    b'","request":', lambda head: _json_string(head.line.decode("latin-1")),
    b',"method":', lambda head: _json_string(head.method or None),
    b',"target":', lambda head: _json_string(head.resource or None),
    b',"host":', _json_field("host"),
    b',"referer":', _json_field("referer"),
    b',"agent":', _json_field("user-agent"),
    b',"status":', _REQUEST["s"][0], b',"bytes":', _REQUEST["B"][0], b',"time_us":', _REQUEST["D"][0], b"}",
]  # fmt: skip

_TOKEN = re.compile(r"%(?:(%)|\(([^()]*)\)s)|([^%]+)|%")
_FIELD_ATOM = re.compile(rf"\{{({TOKEN.pattern})\}}([io])")


def _parse(template: str) -> list[_Segment]:
    def refuse(what: str) -> ValueError:
        return ValueError(
            f"access format {template!r}: {what}; wanted common, combined, json, or a template"
            f" with the atoms {' '.join(ATOMS)}"
        )

    segments: list[_Segment] = []
    atoms = 0
    for match in _TOKEN.finditer(template):
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
            segments.append(_field(field[1].lower()) if field[2] == "i" else _AnswerField(field[1]))
            atoms += 1
        elif atom in _REQUEST:
            segments.append(_REQUEST[atom][0])
            atoms += 1
        else:
            raise refuse(f"unknown atom {match[0]}")
    if not atoms:
        raise refuse("neither a known name nor an atom in it")
    return segments


def _runs(segments: list[_Segment]) -> list[_PerRequest | _AnswerField | _Run]:
    """Joins neighbours: a run with something of the head becomes one part, its literals with it."""
    runs: list[_PerRequest | _AnswerField | _Run] = []
    for segment in segments:
        if isinstance(segment, (_PerRequest, _AnswerField)):
            runs.append(segment)
        elif runs and isinstance(runs[-1], list):
            runs[-1].append(segment)
        else:
            runs.append([segment])
    return runs


def _join(run: _Run, head: HeadFacts) -> bytes:
    return b"".join([piece if isinstance(piece, bytes) else piece(head) for piece in run])


def _is_literal(run: _Run) -> bool:
    return all(isinstance(piece, bytes) for piece in run)


def _variable_parts(segments: list[_Segment]) -> list[_AnswerField | _Run]:
    """What becomes the members of `parts`, in order."""
    runs = [run for run in _runs(segments) if not isinstance(run, _PerRequest)]
    return [run for run in runs if isinstance(run, _AnswerField) or not _is_literal(run)]


def _line_writer(segments: list[_Segment], killed: bytes | None) -> LineWriter:
    """Writes the function as source, so that a request pays for one formatting and no loop. Its names come
    from the tables above only: nothing of a template becomes source. `killed` stands in for the status, if
    given."""
    template = b""
    arguments: list[str] = []
    parts = 0
    for run in _runs(segments):
        if isinstance(run, list) and _is_literal(run):
            template += b"".join(piece for piece in run if isinstance(piece, bytes)).replace(b"%", b"%%")
        elif not isinstance(run, _PerRequest):
            template += b"%b"
            arguments.append(f"part{parts}")
            parts += 1
        elif killed is not None and run.expressions == ("status",):
            template += killed
        elif killed is not None and run.expressions == ("getpid()",):
            template += b"-"  # the writer is the master, not the process that died
        elif killed is not None and run.expressions == ("precise(stamp)",):
            template += run.conversion
            arguments.append("stamp")  # which is of now
        else:
            template += run.conversion
            arguments.extend(run.expressions)
    unpack = "".join(f"part{i}, " for i in range(parts))
    source = "def line(peer, stamp, parts, status, body_bytes, us):\n"
    if parts:
        source += f"    {unpack}= parts\n"
    source += f"    return TEMPLATE % ({''.join(f'{a}, ' for a in arguments)})\n"
    names: dict[str, Any] = {"TEMPLATE": template + b"\n", "getpid": os.getpid, "precise": _precise}
    exec(source, names)
    line: LineWriter = names["line"]
    return line
