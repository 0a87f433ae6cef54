"""The page for an exception: renders `Failure`s as HTML.

Owns the markup; page.html holds the frame and the style. All that comes from the application or the client is escaped
where it enters the markup. Called in a worker.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from .frames import Failure, Frame, Line

if TYPE_CHECKING:
    from ..framework.request import Request

__all__ = ["POLICY", "render"]

_PAGE = files(__package__).joinpath("page.html").read_text("utf-8")
_STYLE = re.search("<style>(.*)</style>", _PAGE, re.DOTALL)
assert _STYLE is not None
_HASH = base64.b64encode(hashlib.sha256(_STYLE[1].encode()).digest()).decode()
_PARTS = re.compile(r"\{(title|header|main|footer)\}")

POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
"""The page's Content-Security-Policy: its own style, and no script at all."""

#: fields whose values are credentials: the page may end up in a screenshot
_SECRET = frozenset({"authorization", "proxy-authorization", "cookie"})


def render(failures: Sequence[Failure], text: str, request: Request, refresh: bool) -> str:
    """Return the page. failures: the exception, then those that it came from; text: its traceback as Python prints it;
    refresh: whether the page loads itself again until the application loads."""
    first = failures[0]
    parts = {
        "title": f"{escape(first.kind)}: {escape(_first_line(first.message))}",
        "header": _header(first, request, refresh),
        "main": "\n".join([*_failures(failures), *_request(request), _text(text)]),
        "footer": "Made by <code>webpy dev</code>, for this machine only. <code>webpy serve</code> shows none of it: "
        "there, clients get a plain 500, and the traceback goes to the error log.",
    }
    return _PARTS.sub(lambda match: parts[match[1]], _PAGE)


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0][:120]


def _header(failure: Failure, request: Request, refresh: bool) -> str:
    asked = f"<code>{escape(request.method)} {escape(request.target)}</code>"
    asked = f"The application does not load · {asked}" if refresh else asked
    lines = [
        f'<p class="asked">{asked}</p>',
        f"<h1>{escape(failure.kind)}</h1>",
        f'<p class="message">{escape(failure.message)}</p>',
        *_notes(failure),
    ]
    frame = next((each for each in failure.frames if each.owner == "application"), None)
    if frame is not None:
        inside = f" in <code>{escape(frame.function)}</code>" if frame.function else ""
        lines.append(f'<p class="where"><code>{escape(frame.file)}</code>, line {frame.line}{inside}</p>')
    if refresh:
        lines.append('<p class="where">This page loads itself again until the source is mended.</p>')
    return "\n".join(lines)


def _notes(failure: Failure) -> Iterable[str]:
    return (f'<p class="note">{escape(note)}</p>' for note in failure.notes)


def _failures(failures: Sequence[Failure]) -> Iterable[str]:
    for number, failure in enumerate(failures):
        if number:
            yield f'<h2>{escape(failure.link)}: <span class="kind">{escape(failure.kind)}</span></h2>'
            yield f'<p class="message">{escape(failure.message)}</p>'
            yield from _notes(failure)
        elif failure.frames:
            yield "<h2>Traceback, most recent call first</h2>"
        half = (len(failure.frames) + 1) // 2 if failure.left_out else -1
        yield "<ol>"
        for place, frame in enumerate(failure.frames):
            if place == half:
                yield f'<li class="none">{failure.left_out} more frames are not shown</li>'
            yield f"<li>{_frame(frame, is_open=frame.owner == 'application')}</li>"
        yield "</ol>"


def _frame(frame: Frame, is_open: bool) -> str:
    function = f'<code class="function">{escape(frame.function)}</code> · ' if frame.function else ""
    source = "".join(map(_line, frame.lines))
    shown = f'<pre class="source">{source}</pre>' if source else '<p class="none">There is no source to show.</p>'
    return (
        f'<details class="{frame.owner}"{" open" if is_open else ""}>'
        f'<summary><span class="owner">{frame.owner}</span>{function}'
        f"<code>{escape(frame.file)}:{frame.line}</code></summary>{shown}{_locals(frame)}</details>"
    )


def _line(line: Line) -> str:
    text = escape(line.text)
    if line.mark is None:
        return f"<span><i>{line.number}</i>{text}</span>"
    start, end = line.mark
    before, marked, after = (escape(part) for part in (line.text[:start], line.text[start:end], line.text[end:]))
    # a mark at the end of the line, where something is missing
    return f'<span class="here"><i>{line.number}</i>{before}<mark>{marked or " "}</mark>{after}</span>'


def _locals(frame: Frame) -> str:
    if not frame.locals:
        return ""
    return _table("mono", frame.locals)


def _table(style: str, rows: Iterable[tuple[str, str]]) -> str:
    cells = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    return f'<dl class="{style}">{cells}</dl>'


def _request(request: Request) -> Iterable[str]:
    fields = [(name, "…" if name.lower() in _SECRET else value) for name, value in request.headers]
    client, port = request.client_address
    yield "<h2>More</h2>"
    summary = f"The request, from {escape(client)}, port {port}"
    yield f"<details><summary>{summary}</summary>{_table('mono', fields)}</details>"


def _text(text: str) -> str:
    return f"<details><summary>The traceback as text, to copy</summary><pre>{escape(text)}</pre></details>"
