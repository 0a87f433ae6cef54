"""What is shown of an exception: its chain, and for each frame the place, the source lines around it and the locals.

Owns the reading of tracebacks. What an application raises may be of a class whose methods raise, so nothing is asked of
it without a guard. Knows nothing of HTML. Called in a worker, and in the zygote for an application that does not load.
"""

from __future__ import annotations

import contextlib
import importlib
import linecache
import os
import reprlib
import sysconfig
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any

import webpy

from ..framework.answer import BadResult

__all__ = ["Failure", "Frame", "Line", "failures_of", "text_of"]

_AROUND = 5  # source lines shown before a frame's line, and after it
_MAX_FRAMES = 60  # of one exception; of a longer trace, the first and the last half are shown
_MAX_CHAIN = 10  # exceptions, each raised because of the next
_MAX_LOCALS = 40
_MAX_TEXT = 4000  # characters of an exception's message

_WEBPY = os.path.realpath(os.path.dirname(webpy.__file__))
_SUPERVISOR = os.path.realpath(os.path.join(_WEBPY, "supervisor"))
_PYTHON = tuple({os.path.realpath(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")})
_LIBRARIES = {"site-packages", "dist-packages"}

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = 200
_repr.maxlevel = 3


@dataclass(frozen=True, slots=True)
class Line:
    """A line of source; `mark` is the part of it that raised, from one character to another, None on other lines."""

    number: int
    text: str
    mark: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of a traceback.

    owner: "application", "webpy", "Python" or "library", by where the file is; file: its path, relative to the current
    folder if it is below that; lines: of source around `line`, empty if there is none; locals: names and values, empty
    unless they were asked for.
    """

    file: str
    line: int
    function: str
    owner: str
    lines: tuple[Line, ...] = ()
    locals: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception: its class, its message, what was noted on it, and its frames, that which raised first.

    left_out: how many frames in the middle of the traceback are not shown; link: how it led to the exception before it
    in the list, "" for the first.
    """

    kind: str
    message: str
    notes: tuple[str, ...] = ()
    frames: tuple[Frame, ...] = ()
    left_out: int = 0
    link: str = ""


def failures_of(error: BaseException, *, show_locals: bool = False) -> list[Failure]:
    """Return what to show of an exception, followed by those that it came from."""
    found: list[Failure] = []
    seen: set[int] = set()
    link = ""
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(found) < _MAX_CHAIN:
        seen.add(id(current))
        found.append(_failure(current, link, show_locals))
        if current.__cause__ is not None:
            current, link = current.__cause__, "It was raised from this exception"
        elif not current.__suppress_context__:
            current, link = current.__context__, "It was raised while this exception was being handled"
        else:
            current = None
    return found


def text_of(error: BaseException) -> str:
    """Return the traceback as Python prints it, without webpy's frames at its beginning. Raises nothing."""
    try:
        return "".join(traceback.format_exception(type(error), error, _shown_trace(error)))
    except BaseException:
        return f"{type(error).__name__}, whose traceback cannot be shown\n"


def _without_webpy(trace: TracebackType | None) -> TracebackType | None:
    """Return the traceback from the first frame on that is neither webpy's nor the import system's."""
    rest = trace
    while rest is not None and (_is_importing(rest.tb_frame) or _owner(rest.tb_frame.f_code.co_filename) == "webpy"):
        rest = rest.tb_next
    return rest


def _shown_trace(error: BaseException) -> TracebackType | None:
    """Return the part of an exception's traceback that is shown."""
    if type(error) is BadResult:  # what a handler returned: webpy's frames say nothing of where it came from
        return None
    return _without_webpy(error.__traceback__) or (None if isinstance(error, SyntaxError) else error.__traceback__)


def _failure(error: BaseException, link: str, show_locals: bool) -> Failure:
    kind = type(error)
    module = "" if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}."
    places = list(_places(_shown_trace(error)))
    places.reverse()
    left_out = max(0, len(places) - _MAX_FRAMES)
    if left_out:
        places[_MAX_FRAMES // 2 : -(_MAX_FRAMES // 2)] = []
    frames = [_frame(frame, line, columns, show_locals) for frame, line, columns in places]
    if isinstance(error, SyntaxError):
        frames = [*_syntax(error), *frames]
    return Failure(
        f"{module}{kind.__qualname__}",
        _message(error),
        tuple(str(note) for note in getattr(error, "__notes__", ()) if isinstance(note, str)),
        tuple(frames),
        left_out,
        link,
    )


def _message(error: BaseException) -> str:
    try:
        text = str(error.msg if isinstance(error, SyntaxError) else error)
    except BaseException as again:
        return f"(its message cannot be shown: {type(again).__name__})"
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]} …"


def _places(trace: TracebackType | None) -> Iterator[tuple[FrameType, int, tuple[int | None, ...]]]:
    """Yield the frames with their line, and where in the source it begins and ends: line, end line, column and end
    column."""
    while trace is not None:
        code = trace.tb_frame.f_code
        if _is_importing(trace.tb_frame):
            trace = trace.tb_next
            continue
        columns: tuple[int | None, ...] = (None, None, None, None)
        with contextlib.suppress(Exception):
            columns = list(code.co_positions())[trace.tb_lasti // 2]
        yield trace.tb_frame, trace.tb_lineno, columns
        trace = trace.tb_next


def _is_importing(frame: FrameType) -> bool:
    """Return whether a frame is the import system's, which Python leaves out of tracebacks, too."""
    file = frame.f_code.co_filename
    return file.startswith("<frozen importlib") or file == importlib.__file__


def _frame(frame: FrameType, line: int, columns: tuple[int | None, ...], show_locals: bool) -> Frame:
    code = frame.f_code
    owner = _owner(code.co_filename)
    values = tuple(_locals(frame)) if show_locals and owner == "application" else ()
    return Frame(
        _shown(code.co_filename), line, code.co_qualname, owner, _lines(code.co_filename, line, columns), values
    )


def _owner(file: str) -> str:
    if file.startswith("<"):  # <frozen importlib._bootstrap>, <string>
        return "Python"
    path = os.path.realpath(file)
    if path.startswith((_WEBPY + os.sep, _SUPERVISOR + os.sep)):
        return "webpy"
    if _LIBRARIES.intersection(path.split(os.sep)):
        return "library"
    return "Python" if path.startswith(tuple(folder + os.sep for folder in _PYTHON)) else "application"


def _shown(file: str) -> str:
    with contextlib.suppress(OSError, ValueError):
        relative = os.path.relpath(file)
        if not relative.startswith(os.pardir) and os.path.isabs(file):
            return relative
    return file


def _lines(file: str, line: int, columns: tuple[int | None, ...]) -> tuple[Line, ...]:
    linecache.checkcache(file)
    first = max(1, line - _AROUND)
    found = []
    for number in range(first, line + _AROUND + 1):
        text = linecache.getline(file, number)
        if not text:
            break
        text = text.rstrip("\r\n")
        found.append(Line(number, text, _mark(text, columns) if number == line else None))
    while found and not found[-1].text.strip() and found[-1].number != line:
        found.pop()
    return tuple(found)


def _mark(text: str, columns: tuple[int | None, ...]) -> tuple[int, int] | None:
    """Return the characters of the line that raised; `columns` counts bytes of UTF-8."""
    start_line, end_line, start, end = columns
    if start is None or end is None or start_line is None:
        return None
    data = text.encode()
    end = len(data) if end_line != start_line else end
    return len(data[:start].decode(errors="replace")), len(data[:end].decode(errors="replace"))


def _syntax(error: SyntaxError) -> Iterator[Frame]:
    """Yield the place that a SyntaxError names, which has no frame."""
    if not isinstance(error.filename, str) or not isinstance(error.lineno, int):
        return
    lines = _lines(error.filename, error.lineno, (None, None, None, None))
    if isinstance(error.offset, int) and error.offset > 0:
        start = error.offset - 1
        ends_there = isinstance(error.end_offset, int) and error.end_lineno == error.lineno
        end = max(start + 1, (error.end_offset or 0) - 1 if ends_there else start + 1)
        lines = tuple(
            Line(each.number, each.text, (start, end)) if each.number == error.lineno else each for each in lines
        )
    yield Frame(_shown(error.filename), error.lineno, "", _owner(error.filename), lines)


def _locals(frame: FrameType) -> Iterator[tuple[str, str]]:
    for name, value in sorted(frame.f_locals.items())[:_MAX_LOCALS]:
        if not name.startswith("__"):
            yield name, _value(value)


def _value(value: Any) -> str:
    try:
        return _repr.repr(value)
    except BaseException as error:
        return f"(its repr() raised {type(error).__name__})"
