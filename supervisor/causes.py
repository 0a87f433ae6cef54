"""The cause of a death in words. Pure; called by the master when it has reaped a child."""

from __future__ import annotations

import os
import signal

__all__ = ["describe"]


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
