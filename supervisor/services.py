"""What nearly every part of the master uses: its loop, its children, the scoreboard, the error log, the recent events.

Made once by the supervisor and handed to each part. Decides nothing. Used in the master only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .eventloop import EventLoop
from .events import Events
from .logs.errorlog import ErrorLog
from .processes.adoption import Adoption
from .processes.children import Children
from .scoreboard.scoreboard import Scoreboard
from .system.listeners import Listener

__all__ = ["Services"]


@dataclass(slots=True)
class Services:
    """The master's one of each."""

    loop: EventLoop
    children: Children
    scoreboard: Scoreboard
    errors: ErrorLog
    events: Events
    adoption: Adoption
    abandon: Callable[[Sequence[Listener]], None]
    """To be called in a child that was just forked: closes what belongs to the master alone, but for these
    listeners."""
