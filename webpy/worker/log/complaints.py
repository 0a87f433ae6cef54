"""Owns complaints that could come with every connection: each kind is logged once a minute at most. The leader's."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .errorlog import ErrorLog

__all__ = ["Complaints"]

_QUIET_S = 60.0


class Complaints:
    """Logs each kind of complaint once a minute at most, and then says how many were left out before."""

    def __init__(self, log: logging.Logger | ErrorLog) -> None:
        self._log = log
        self._kinds: dict[str, tuple[float, int]] = {}  # until when to be quiet, and how many were left out

    def say(self, kind: str, text: str, *, level: int = logging.WARNING) -> None:
        """Log the text, unless one of this kind was logged within the last minute."""
        now_s = time.monotonic()
        quiet_until_s, left_out = self._kinds.get(kind, (0.0, 0))
        if now_s < quiet_until_s:
            self._kinds[kind] = (quiet_until_s, left_out + 1)
            return
        self._kinds[kind] = (now_s + _QUIET_S, 0)
        self._log.log(level, "%s%s", text, f" ({left_out} more since the last such line)" if left_out else "")
