"""Owns the kernel's scheduling policy of threads (sched(7)); knows nothing of what they run.

A thread that wakes usually interrupts the one that has the CPU. Among threads of one interpreter that is a loss: the
one that was interrupted holds the GIL, so the other can but wait for it, and each request costs several switches of
thread more. A SCHED_BATCH thread interrupts none and waits until the CPU is free or it is its turn; in all else it is
as any other. With 64 clients of a handler that waits 0.3, 1 or 5 ms that saves a fifth of the CPU time.
"""

from __future__ import annotations

import os
import sys

__all__ = ["interrupt_again", "interrupt_none"]


def interrupt_none() -> bool:
    """Have the calling thread interrupt no other when it wakes. Returns False if nothing has been changed: where there
    is no such policy, it is not allowed, or the thread has one that somebody chose."""
    if sys.platform != "linux":
        return False
    try:
        if os.sched_getscheduler(0) != os.SCHED_OTHER:
            return False
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except OSError:  # a sandbox (seccomp(2))
        return False
    return True


def interrupt_again() -> None:
    """Undo what `interrupt_none` has done for the calling thread."""
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
