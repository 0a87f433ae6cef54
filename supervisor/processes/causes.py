"""Why a worker ended: the kinds of causes, and the cause of a death in words.

Pure functions. Knows nothing of processes or control groups: it decides by what it is told of a death. Used in the
master.
"""

from __future__ import annotations

import os
import signal
from enum import StrEnum

__all__ = ["UNWANTED", "Cause", "describe", "judge"]


class Cause(StrEnum):
    """Why a worker ended; the value is what restarts are counted under."""

    EXIT = "exit"  # it ended, and was not asked to
    SIGNAL = "signal"  # it crashed, or was killed, but not by the master
    OOM = "oom"  # the kernel killed it, as its control group had no memory left
    HANG = "hang"  # its loop stood still, or a request took longer than it may
    UNREADY = "unready"  # it did not become ready in time
    LATE = "late"  # it was asked to end and did not in time
    RECYCLE = "recycle"  # it had served enough, lived long enough, or grown too large
    OPERATOR = "operator"  # an operator asked for it to be replaced
    RELOAD = "reload"  # a generation took over from another
    SCALE = "scale"  # fewer workers were wanted
    STOP = "stop"  # everything stops


UNWANTED = frozenset({Cause.EXIT, Cause.SIGNAL, Cause.OOM, Cause.HANG, Cause.UNREADY})
"""Deaths that tell of a fault; the others were meant."""


def judge(status: int | None, *, planned: Cause | None, killed_for: Cause | None, killed: bool, oom: bool) -> Cause:
    """Return the cause of a death.

    status: its wait status; planned: why it was asked to end, if it was; killed: whether the master killed it;
    killed_for: the cause the master killed it for, if it has one of its own; oom: whether the kernel killed it because
    memory ran out.
    """
    if oom:
        return Cause.OOM
    if planned is Cause.HANG and (killed or not status):
        return Cause.HANG
    if killed_for is not None:
        return killed_for
    if killed:
        return planned or Cause.EXIT
    if status is not None and os.WIFSIGNALED(status):
        return Cause.SIGNAL
    if status:  # it was asked to end, and failed at that
        return Cause.EXIT
    return planned or Cause.EXIT


def describe(status: int | None) -> str:
    """Return in words what a wait status (os.waitpid) means; None is one that could not be had."""
    if status is None:
        return "died of an unknown cause"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        core = ", core dumped" if os.WCOREDUMP(status) else ""
        return f"was killed by {_name(number)} (signal {number}{core})"
    code = os.waitstatus_to_exitcode(status)
    return f"exited with status {code}"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"SIG{number}"
