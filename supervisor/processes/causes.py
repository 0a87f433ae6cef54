"""Why a worker ended: the kinds of causes, and each death's own in words. Pure; used by the master.

Knows nothing of processes or cgroups: it is told what is known of a death, and judges.
"""

from __future__ import annotations

import os
import signal
from enum import StrEnum

__all__ = ["UNWANTED", "Cause", "describe", "judge"]


class Cause(StrEnum):
    """Why a worker ended; the value is what restarts are counted under."""

    EXIT = "exit"  # it ended, and nobody had asked it to
    SIGNAL = "signal"  # it crashed, or somebody else killed it
    OOM = "oom"  # the kernel killed it, as its control group had no memory left
    HANG = "hang"  # it, or work of its, took longer than it may
    UNREADY = "unready"  # it did not become ready in time
    LATE = "late"  # it was asked to end and did not in time
    RECYCLE = "recycle"  # it had served enough, lived long enough, or grown too large
    OPERATOR = "operator"  # somebody asked for it to be replaced
    RELOAD = "reload"  # a generation took over from another
    SCALE = "scale"  # fewer workers were wanted
    STOP = "stop"  # everything stops


UNWANTED = frozenset({Cause.EXIT, Cause.SIGNAL, Cause.OOM, Cause.HANG, Cause.UNREADY})
"""Deaths that tell of a fault; what the others end was meant to end."""


def judge(status: int | None, *, planned: Cause | None, killed_for: Cause | None, killed: bool, oom: bool) -> Cause:
    """Say which cause it was.

    status: its wait status; planned: why it was asked to end; killed_for: why the master killed it, where that is a
    cause of its own; killed: whether the master did; oom: whether the kernel did, for want of memory.
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
    if status:  # asked to end, it fell over its own feet
        return Cause.EXIT
    return planned or Cause.EXIT


def describe(status: int | None) -> str:
    """Say what a wait status (os.waitpid) means; None is a child whose status nobody could take."""
    if status is None:
        return "died, nobody knows of what"
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
