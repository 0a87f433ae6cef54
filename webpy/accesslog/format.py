"""Access log formats: a format is compiled once, and each request then costs one bytes formatting.

Owns the compiled format. Knows no socket, no clock, no file: the worker's loop passes in times and counts, and writes
the lines to its ring. `lost` is called in the master, everything else in a worker.

What depends on the request's head only is escaped in `parts`, which the loop caches with the head. Fields of the answer
are read from its head by `answered`, only if the format has some (`reads_answers`): such a format sends answers the
worker's longer way, which takes 6 µs more.

Measured with timeit on a shared 2-core VM, CPython 3.11 (Debian's) and 3.13: `line` of common takes 170 and 220 ns, of
combined (120 bytes) 210 and 270 ns, of json 530 ns on 3.11, of which 310 are for the milliseconds; `parts` of combined
1.6 to 2.2 µs, of json 3.6 to 4.8 µs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from ..protocol.grammar import TOKEN
from .atoms import JSON, NAMED, AnswerField, FromHead, HeadFacts, PerRequest, RequestField, Segment, parse_template
from .escaping import escape_bytes, json_escape
from .stamps import precise, stamp_clf, stamp_iso

__all__ = ["AccessFormat", "LineWriter", "compile_format"]

# parameters: six plain values, as an object for them would cost more than the line (0.2 µs); see `AccessFormat`
LineWriter: TypeAlias = Callable[[bytes, bytes, tuple[bytes, ...], int, int, int], bytes]

_Run: TypeAlias = list[bytes | FromHead]


class AccessFormat:
    """A compiled format. Immutable; may be shared by threads and survives a fork.

    `line(peer, stamp, parts, status, body_bytes, us)` returns the line of an answered request, with its newline. `peer`
    is the address without its port (`b"127.0.0.1"`, `b"unix"`) and is written as it is: it must hold no byte that a
    client chose. `stamp` comes from `stamp()` and `parts` from `parts()` of this same format; `us` is the time taken in
    microseconds. A format that `reads_answers` writes `-` for fields of the answer unless `parts` went through
    `answered`.
    """

    __slots__ = ("_answers", "_escape", "_killed", "_stamp", "_variable", "fields", "line", "name", "reads_answers")

    def __init__(self, name: str, segments: list[Segment], dialect: _Dialect) -> None:
        self.name = name
        self.fields = frozenset(part.name for part in segments if isinstance(part, RequestField))
        self._variable = _variable_parts(segments)
        self._answers = [(place, part) for place, part in enumerate(self._variable) if isinstance(part, AnswerField)]
        self.reads_answers = bool(self._answers)
        self._stamp = dialect.stamp
        self._escape = dialect.escape
        self.line = _line_writer(segments, None)
        self._killed = _line_writer(segments, dialect.killed)

    def __repr__(self) -> str:
        return f"AccessFormat({self.name!r})"

    def parts(self, head: HeadFacts) -> tuple[bytes, ...]:
        """Return what the line takes from the head, escaped and joined with the text around it."""
        return tuple([b"-" if isinstance(part, AnswerField) else _join(part, head) for part in self._variable])

    def answered(self, parts: tuple[bytes, ...], answer_head: bytes) -> tuple[bytes, ...]:
        """Return `parts` with the fields of the answer filled in; `answer_head` is all of it before the body."""
        filled = list(parts)
        for place, field in self._answers:
            filled[place] = field.read(answer_head)
        return tuple(filled)

    def stamp(self, now: float) -> bytes:
        """Return the Unix time `now` as this format writes it: local time with the zone's offset."""
        return self._stamp(now)

    def unparsed(self, raw_line: bytes) -> tuple[bytes, ...]:
        """Return the parts of a request that could not be parsed: `raw_line` is what there was of its first line."""
        return self.parts(_Unparsed(raw_line))

    def lost(self, text: bytes, now: float, us: int = 0) -> bytes:
        """Return the line of a request that died with its worker, with `killed` for a status (json: status 0 and
        `"killed": true`). Called in the master.

        `text` is `peer SP request-line` from the scoreboard, padded with NUL, perhaps cut off or damaged: any bytes
        give a line. `us` is how long the request had run.
        """
        peer, _, raw_line = text.partition(b"\0")[0].partition(b" ")
        parts = self.unparsed(raw_line)
        return self._killed(self._escape(peer) or b"-", self._stamp(now), parts, 0, 0, us)


def compile_format(name_or_template: str) -> AccessFormat:
    """Return the format named `common`, `combined` or `json`, or that of a template with atoms such as `%(h)s`.

    See `ATOMS`. Raises ValueError, naming the value and what was wanted, for a template without an atom, with an
    unknown one, with a single % or with a control character.
    """
    if name_or_template == "json":
        return AccessFormat("json", JSON, _Dialect(stamp_iso, json_escape, b'0,"killed":true'))
    template = NAMED.get(name_or_template, name_or_template)
    return AccessFormat(name_or_template, parse_template(template), _Dialect(stamp_clf, escape_bytes, b"killed"))


class _Dialect(NamedTuple):
    """What differs between text formats and json: the time, how a peer is escaped, the mark of a lost request."""

    stamp: Callable[[float], bytes]
    escape: Callable[[bytes], bytes]
    killed: bytes


class _Unparsed:
    """Stands for the head of a request that could not be parsed: its first line, and what can be read from that."""

    __slots__ = ("line", "method", "resource")

    def __init__(self, line: bytes) -> None:
        self.line = line
        words = line.split(b" ") if _LINE_START.match(line) else [b"", b""]
        self.method, self.resource = words[0].decode("latin-1"), words[1].decode("latin-1")

    def get(self, name_lower: str, /) -> None:
        return None

    field_line = get


_LINE_START = re.compile(rf"{TOKEN.pattern} [^ ]".encode())


def _runs(segments: list[Segment]) -> list[PerRequest | AnswerField | _Run]:
    """Return the segments with neighbours joined: what is read from the head is one part with the text around it."""
    runs: list[PerRequest | AnswerField | _Run] = []
    for segment in segments:
        if isinstance(segment, (PerRequest, AnswerField)):
            runs.append(segment)
            continue
        if isinstance(segment, RequestField):
            segment = segment.read
        if runs and isinstance(runs[-1], list):
            runs[-1].append(segment)
        else:
            runs.append([segment])
    return runs


def _join(run: _Run, head: HeadFacts) -> bytes:
    return b"".join([piece if isinstance(piece, bytes) else piece(head) for piece in run])


def _is_literal(run: _Run) -> bool:
    return all(isinstance(piece, bytes) for piece in run)


def _variable_parts(segments: list[Segment]) -> list[AnswerField | _Run]:
    """Return what becomes the members of `parts`, in order."""
    runs = [run for run in _runs(segments) if not isinstance(run, PerRequest)]
    return [run for run in runs if isinstance(run, AnswerField) or not _is_literal(run)]


def _line_writer(segments: list[Segment], killed: bytes | None) -> LineWriter:
    """Return the function `line`, compiled from source so that a request costs one formatting and no loop.

    Its names come from the tables of `atoms` only: nothing of a template becomes source. `killed`, if given, is written
    in place of the status.
    """
    template = b""
    arguments: list[str] = []
    parts = 0
    for run in _runs(segments):
        if isinstance(run, list) and _is_literal(run):
            template += b"".join(piece for piece in run if isinstance(piece, bytes)).replace(b"%", b"%%")
        elif not isinstance(run, PerRequest):
            template += b"%b"
            arguments.append(f"part{parts}")
            parts += 1
        elif killed is not None and run.expressions == ("status",):
            template += killed
        elif killed is not None and run.expressions == ("getpid()",):
            template += b"-"  # the master writes it, not the process that died
        elif killed is not None and run.expressions == ("precise(stamp)",):
            template += run.conversion
            arguments.append("stamp")  # made just now by `lost`
        else:
            template += run.conversion
            arguments.extend(run.expressions)
    unpack = "".join(f"part{i}, " for i in range(parts))
    source = "def line(peer, stamp, parts, status, body_bytes, us):\n"
    if parts:
        source += f"    {unpack}= parts\n"
    source += f"    return TEMPLATE % ({''.join(f'{a}, ' for a in arguments)})\n"
    names: dict[str, Any] = {"TEMPLATE": template + b"\n", "getpid": os.getpid, "precise": precise}
    exec(source, names)
    line: LineWriter = names["line"]
    return line
