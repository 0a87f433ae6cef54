"""Owns the list of a directory's files: which entries a client sees, in what order, as HTML or as JSON.

`?sort=name`, `size` or `time` and `&order=desc` sort it, directories first. Clients that prefer `application/json` get
an object with `path`, `entries` (`name`, `href`, `type`, `size` in bytes, `modified` in seconds since the epoch) and
`complete`. Entries that would not be sent are not listed: hidden files, links that lead outside, devices.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import stat
import time
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from ..negotiation import best, vary
from ..statedir import is_private
from .names import is_hidden, link_to, shown
from .opening import Tree, real_path

if TYPE_CHECKING:
    from ..framework.request import Request
    from ..framework.response import Response, Result

__all__ = ["Entry", "Listing"]

_MAX_ENTRIES = 10_000  # a page of them takes 0.1 s to make, and 1.5 MB
_QUERY = re.compile(r"(?:^|&)(sort|order)=([a-z]+)(?=&|$)")
_COLUMNS = {"name": "Name", "size": "Size", "time": "Time (UTC)"}
_UNITS = ("kB", "MB", "GB", "TB", "PB", "EB")

_PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
body {{ font: 16px/1.4 system-ui, sans-serif; margin: 1rem auto; max-width: 60rem; padding: 0 1rem }}
h1 {{ font-size: 1.25rem; overflow-wrap: anywhere }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ border-bottom: 1px solid #8884; padding: .5rem .25rem; text-align: left }}
th a {{ color: inherit }}
td:first-child {{ overflow-wrap: anywhere }}
td:first-child a {{ display: block }}
.size, .time {{ font-variant-numeric: tabular-nums; padding-left: 1rem; text-align: right; white-space: nowrap }}
@media (max-width: 30rem) {{ td.time span {{ display: none }} }}
</style>
<h1>{title}</h1>
<table>
<thead><tr>{heads}</tr></thead>
<tbody>
{rows}</tbody>
</table>
{note}</html>
"""


class Entry(NamedTuple):
    """A file or directory that a client may ask for; the size is 0 for a directory."""

    name: bytes
    is_directory: bool
    size: int
    modified_s: float

    @property
    def label(self) -> str:
        """The name for people."""
        return shown(self.name) + ("/" if self.is_directory else "")

    @property
    def href(self) -> str:
        """The way to it from the directory, percent-encoded."""
        return link_to(self.name, self.is_directory)


class Listing:
    """The list of the directory that is open as `fd`, in `tree`; clients know it as `path`.

    has_parent: whether clients may see its parent directory. Raises OSError if it cannot be read.
    """

    def __init__(self, tree: Tree, fd: int, path: bytes, *, has_parent: bool) -> None:
        self._path = path
        self._has_parent = has_parent
        with os.scandir(fd) as found:
            names = [os.fsencode(entry.name) for entry in itertools.islice(found, _MAX_ENTRIES + 1)]
        self._is_complete = len(names) <= _MAX_ENTRIES
        self._entries = list(_entries(tree, fd, names[:_MAX_ENTRIES]))

    def answer(self, request: Request, response: Response) -> Result:
        """Return 200 and the list, in the form that the client prefers; sets the fields of the response."""
        asked = dict(_QUERY.findall(request.query))
        key = asked.get("sort", "name")
        is_descending = asked.get("order") == "desc"
        self._sort(key, is_descending)
        headers = response.headers
        vary(headers, "Accept")
        headers.set("X-Content-Type-Options", "nosniff")
        accepted = ", ".join(request.headers.getlist("Accept")) or None
        if best(accepted, ("text/html", "application/json")) == "application/json":
            headers.set("Content-Type", "application/json")
            return 200, self._json()
        headers.set("Content-Type", "text/html; charset=utf-8")
        headers.set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        return 200, self._html(key, is_descending)

    def _sort(self, key: str, is_descending: bool) -> None:
        self._entries.sort(key=lambda entry: (entry.label.casefold(), entry.name))
        if key == "size":
            self._entries.sort(key=lambda entry: entry.size, reverse=is_descending)
        elif key == "time":
            self._entries.sort(key=lambda entry: entry.modified_s, reverse=is_descending)
        elif is_descending:
            self._entries.reverse()
        self._entries.sort(key=lambda entry: not entry.is_directory)

    def _json(self) -> str:
        entries = [
            {
                "name": shown(entry.name),
                "href": entry.href,
                "type": "directory" if entry.is_directory else "file",
                "size": None if entry.is_directory else entry.size,
                "modified": entry.modified_s,
            }
            for entry in self._entries
        ]
        page = {"path": shown(self._path), "entries": entries, "complete": self._is_complete}
        return json.dumps(page) + "\n"

    def _html(self, key: str, is_descending: bool) -> str:
        heads = []
        for name, title in _COLUMNS.items():
            is_sorted = name == key
            order = "&amp;order=desc" if is_sorted and not is_descending else ""
            mark = (" ▼" if is_descending else " ▲") if is_sorted else ""
            sorting = f' aria-sort="{"descending" if is_descending else "ascending"}"' if is_sorted else ""
            link = f'<a href="?sort={name}{order}">{title}</a>{mark}'
            heads.append(f'<th class="{name}" scope="col"{sorting}>{link}</th>')
        rows = ['<tr><td><a href="../">../</a></td><td></td><td></td></tr>\n'] if self._has_parent else []
        rows += map(_row, self._entries)
        note = "" if self._is_complete else f"<p>There is more: only {_MAX_ENTRIES:,} entries are shown.</p>\n"
        return _PAGE.format(title=escape(shown(self._path)), heads="".join(heads), rows="".join(rows), note=note)


def _entries(tree: Tree, fd: int, names: Iterable[bytes]) -> Iterable[Entry]:
    folder = real_path(fd)
    for name in names:
        if is_hidden(name) or is_private(folder + b"/" + name):
            continue
        try:
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                status = _behind_link(tree, fd, name)
        except OSError:  # deleted meanwhile, or this process may not see it
            continue
        if stat.S_ISDIR(status.st_mode):
            yield Entry(name, True, 0, status.st_mtime)
        elif stat.S_ISREG(status.st_mode):
            yield Entry(name, False, status.st_size, status.st_mtime)


def _behind_link(tree: Tree, fd: int, name: bytes) -> os.stat_result:
    """Return the status of what a link leads to. Raises OSError if that does not exist, or is outside the tree."""
    there = os.open(name, os.O_PATH | os.O_CLOEXEC, dir_fd=fd)
    try:
        if not tree.holds(there):
            raise FileNotFoundError(name)
        return os.fstat(there)
    finally:
        os.close(there)


def _row(entry: Entry) -> str:
    size = "" if entry.is_directory else _brief(entry.size)
    return (
        f'<tr><td><a href="{entry.href}"><bdi>{escape(entry.label)}</bdi></a></td>'
        f'<td class="size">{size}</td><td class="time">{_when(entry.modified_s)}</td></tr>\n'
    )


def _brief(size: int) -> str:
    """Return a number of bytes for people to read: 999 B, 1.0 kB, 12 MB."""
    if size < 1000:
        return f"{size} B"
    number, unit = size / 1000, 0
    while number >= 999.5:
        number, unit = number / 1000, unit + 1
    return f"{number:.1f} {_UNITS[unit]}" if number < 9.95 else f"{number:.0f} {_UNITS[unit]}"


def _when(seconds: float) -> str:
    """Return the date and, in a span, the time, in UTC; "" for a time that has no date."""
    try:
        there = time.gmtime(seconds)
    except (ValueError, OverflowError, OSError):
        return ""
    return f"{there.tm_year:04}-{there.tm_mon:02}-{there.tm_mday:02}<span> {there.tm_hour:02}:{there.tm_min:02}</span>"
