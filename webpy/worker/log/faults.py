"""Owns what the error log says of faults of the server's own: each with its stack, the same one at most once a minute.

A fault is an exception that reached the boundary around an event of the loop, a task or a thread. What catches it there
resets the connection it came from, and goes on.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .errorlog import ErrorLog

__all__ = ["Faults"]

_SAY_AGAIN_S = 60.0
_MAX_PLACES = 256

_Place = tuple[type[BaseException], str, int]


class Faults:
    """Tells faults to the error log. Any thread."""

    __slots__ = ("_log", "_told")

    def __init__(self, log: ErrorLog) -> None:
        self._log = log
        self._told: dict[_Place, tuple[float, int]] = {}  # when last, and how often since

    def tell(self, error: BaseException, what: str) -> None:
        """Log a fault with its stack; the same kind from the same line again is only counted, for a minute."""
        now_s = time.monotonic()
        place = _place_of(error)
        told_s, count = self._told.get(place, (-_SAY_AGAIN_S, 0))
        if now_s - told_s < _SAY_AGAIN_S:
            self._told[place] = told_s, count + 1
            return
        if len(self._told) >= _MAX_PLACES:
            self._told.clear()
        self._told[place] = now_s, 0
        again = f"; {count} times more since it was last told" if count else ""
        self._log.critical("%s%s", what, again, exc_info=error)


def _place_of(error: BaseException) -> _Place:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error), "", 0
    return type(error), trace.tb_frame.f_code.co_filename, trace.tb_lineno
