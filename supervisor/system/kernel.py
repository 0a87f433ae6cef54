"""Two calls of Linux that the standard library does not have: both are prctl(2).

Knows nothing of who calls. Where the system has no prctl (macOS), both return False, and the master does without: the
end of a channel tells that a process has died.
"""

from __future__ import annotations

import ctypes
import signal
import sys

__all__ = ["become_subreaper", "die_with_parent"]

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):
        return False
    zero = ctypes.c_ulong(0)
    return bool(prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero) == 0)


def become_subreaper(wanted: bool = True) -> bool:
    """Have orphaned descendants become this process's children, or not any more (in the master). Return False if the
    system cannot do that."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, int(wanted))


def die_with_parent() -> bool:
    """Have this process killed when its parent dies; a change of user undoes it. Return False if the system cannot do
    that."""
    return _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
