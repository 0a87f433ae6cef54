"""What a worker is doing: the activities of its row, each read as one piece of work.

Owns the meaning of an activity's cells. Knows nothing of what the text of an activity says. Used in the master, by the
watchdog, by crash reports and by log messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .layout import AWAITED, SENDING
from .row import Activity, Row

__all__ = ["WorkInProgress", "WorkState", "describe_work", "find_work", "printable_text", "work_in_progress"]


class WorkState(Enum):
    """How far a piece of work is."""

    QUEUED = "waits for a thread"
    RUNNING = "runs"
    PROGRESSING = "advances in steps"
    SENDING = "is being sent"
    AWAITED = "waits for its answer"


_WITHOUT_THREAD = {SENDING: WorkState.SENDING, AWAITED: WorkState.AWAITED}


@dataclass(slots=True, frozen=True)
class WorkInProgress:
    """One piece of work: the index of its activity, its start (time.monotonic()), its text, and the thread that does it
    (`thread` and `ident` as in `Activity`)."""

    activity: int
    start: float
    text: str
    state: WorkState
    thread: int
    ident: int


def work_in_progress(row: Row) -> list[WorkInProgress]:
    """Return the work that is going on in a row, the oldest first."""
    busy = [(start, index) for index, start in enumerate(row.starts()) if start]
    return [_read(index, start, row.activities[index]) for start, index in sorted(busy)]


def find_work(row: Row, index: int, start: float) -> WorkInProgress | None:
    """Return the work on activity `index` if it is the one that began at `start`, None if that has ended."""
    activity = row.activities[index]
    work = _read(index, start, activity)
    return work if activity.start[0] == start else None


def _read(index: int, start: float, activity: Activity) -> WorkInProgress:
    thread, ident = activity.thread[0], activity.ident[0]
    if thread:
        state = WorkState.RUNNING if ident else WorkState.PROGRESSING
    else:
        state = _WITHOUT_THREAD.get(ident, WorkState.QUEUED)
    return WorkInProgress(index, start, printable_text(bytes(activity.text)), state, thread, ident)


def printable_text(text: bytes) -> str:
    """Return the text of an activity as a log shows it: without padding, control characters escaped."""
    words = " ".join(text.rstrip(b"\0").decode("utf-8", "backslashreplace").split())
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in words)


def describe_work(row: Row, now_s: float) -> str:
    """Return a text of several lines for the log that lists the work going on in a row."""
    works = work_in_progress(row)
    if not works:
        return "no work that is known"
    lines = [f"  {work.text!r} {work.state.value}, {now_s - work.start:.1f} s so far" for work in works]
    return f"{len(works)} {'piece' if len(works) == 1 else 'pieces'} of work:\n" + "\n".join(lines)
