"""What `webpy dev` prints: a line for each request, and at the start what is served and where.

Owns the wording and the colours. Text of clients is escaped, so that none can write escape sequences to a terminal.
Made in the master; the lines are formatted in the worker.
"""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..accesslog import AccessFormat
from ..accesslog.escaping import escape, escape_bytes

if TYPE_CHECKING:
    from ..accesslog.atoms import HeadFacts
    from ..target.listing import ListedRoute

__all__ = ["Announcement", "RequestLines", "has_colours", "listing"]

_PLAIN = b"\x1b[0m"
_STATUS = {2: b"\x1b[32m", 3: b"\x1b[36m", 4: b"\x1b[33m", 5: b"\x1b[1;31m"}
_DIM = b"\x1b[2m"
_MAX_ROUTES = 20
_ANNOUNCEMENT_BYTES = 4096


def has_colours(fd: int, environ: Mapping[str, str]) -> bool:
    """Return whether colours may be written to descriptor `fd`: it is a terminal that has them, and NO_COLOR is not
    set (https://no-color.org)."""
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return False
    try:
        return os.isatty(fd)
    except OSError:
        return False


class Announcement:
    """A text in memory that processes share: what was loaded last. The zygote knows it, and the process that asked for
    the reload says it when the new worker serves and the old one does not any more."""

    def __init__(self) -> None:
        """Called in the master, before anything is forked."""
        self._memory = mmap.mmap(-1, _ANNOUNCEMENT_BYTES)

    def set(self, text: str) -> None:
        """Replace the text."""
        data = text.encode("utf-8", "backslashreplace")[: _ANNOUNCEMENT_BYTES - 1]
        self._memory[: len(data) + 1] = data + b"\0"

    def get(self) -> str:
        """Return the text."""
        return self._memory[:].partition(b"\0")[0].decode("utf-8", "ignore")


class RequestLines(AccessFormat):
    """Formats a request as `GET /notes?x=1 200 0.40 ms`: not a template, as the colour depends on the status and the
    unit on the time."""

    __slots__ = ("_colours",)

    def __init__(self, colours: bool) -> None:
        self.name = "dev"
        self.reads_answers = False
        self.fields = frozenset()
        self.line = self._line
        self._colours = colours

    def parts(self, head: HeadFacts) -> tuple[bytes, ...]:
        """Return method and resource, escaped."""
        return (escape(f"{head.method} {head.resource}"),)

    def unparsed(self, raw_line: bytes) -> tuple[bytes, ...]:
        """Return the first line of a request that could not be parsed, escaped."""
        return (escape_bytes(raw_line) or b"-",)

    def stamp(self, now: float) -> bytes:
        """Return nothing: the lines have no time."""
        return b""

    def lost(self, text: bytes, now: float, us: int = 0) -> bytes:
        """Return the line of a request that died with its worker (in the master)."""
        _, _, line = text.partition(b"\0")[0].partition(b" ")
        return self._format(self.unparsed(line)[0], b"killed", 5, us)

    # parameters: those of every access log format
    def _line(
        self, peer: bytes, stamp: bytes, parts: tuple[bytes, ...], status: int, body_bytes: int, us: int
    ) -> bytes:
        return self._format(parts[0], b"%d" % status, status // 100, us)

    def _format(self, request: bytes, status: bytes, kind: int, us: int) -> bytes:
        taken = _duration(us)
        if not self._colours:
            return b"%b %b %b\n" % (request, status, taken)
        return b"%b %b%b%b %b%b%b\n" % (request, _STATUS.get(kind, b""), status, _PLAIN, _DIM, taken, _PLAIN)


def _duration(us: int) -> bytes:
    """Return a time with its unit: `0.04 ms`, `12 ms`, `3.21 s`."""
    if us < 10_000:
        return b"%.2f ms" % (us / 1000)
    return b"%d ms" % (us // 1000) if us < 1_000_000 else b"%.2f s" % (us / 1_000_000)


def listing(routes: Sequence[ListedRoute], base: str) -> Iterator[str]:
    """Yield a line for each route: a link if it stands for one path, else its template or regex; methods; the handler.

    base: the address that is served, such as "http://127.0.0.1:8000"; "" if there is none for links.
    """
    rows = [_row(route, base) for route in routes[:_MAX_ROUTES]]
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    for link, methods, handler in rows:
        yield f"  {link:{widths[0]}}  {methods:{widths[1]}}  {handler}".rstrip()
    if len(routes) > _MAX_ROUTES:
        yield f"  and {len(routes) - _MAX_ROUTES} more: `webpy routes` lists all of them"


def _row(route: ListedRoute, base: str) -> tuple[str, str, str]:
    path = "" if route.host else _only_path(route.route)
    text = f"{route.host}: {route.route}" if route.host else route.route
    methods = "any method" if route.methods is None else " ".join(_own_methods(route.methods))
    return (base + path if path else text), methods, route.handler


def _own_methods(methods: tuple[str, ...]) -> list[str]:
    """Return the methods without those that every handler answers by itself."""
    return [method for method in methods if method != "OPTIONS" and not (method == "HEAD" and "GET" in methods)]


def _only_path(route: str) -> str:
    """Return the one path that the template or regex stands for, "" if it stands for more."""
    plain = re.sub(r"\\([^A-Za-z0-9])", r"\1", route)
    return plain if re.escape(plain) == route or re.fullmatch(r"/[A-Za-z0-9/_~-]*", route) else ""
