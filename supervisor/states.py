"""The life of a child process as one table: state by event gives the next state and what to do.

Owns the states and is the only place that assigns one. Knows nothing of processes: the actions are names,
carried out by `child`. Zygotes and workers live by the same table.

    BOOT ----READY----> READY ----DRAIN, STOP----> DRAINING ----EXIT----> GONE
      |                   |                           |                     ^
      +-------------------+--- KILL, DEADLINE --------+--> KILLED ---EXIT---+
"""

from __future__ import annotations

from enum import Enum, IntEnum

__all__ = ["TABLE", "Action", "ChildState", "Event", "Lifecycle"]


class ChildState(IntEnum):
    """Where a child stands, as the master knows it; the number is what the board shows."""

    BOOT = 1  # forked, not READY yet
    READY = 2  # serving
    DRAINING = 3  # told to end; finishing what it has
    KILLED = 4  # sent SIGKILL, not reaped yet
    GONE = 5


class Event(Enum):
    """What can happen to a child."""

    READY = "it said READY"
    DRAIN = "it is to end, others serve on"
    STOP = "it is to end, everything stops"
    DEADLINE = "the time it had to become ready, or to end, is over"
    KILL = "it is to end at once"
    EXIT = "it has died"


class Action(Enum):
    """What the master does about an event."""

    NOTHING = "nothing"
    ADMIT = "count it as serving"
    DRAIN = "send DRAIN, give it drain-timeout"
    STOP = "send STOP, give it drain-timeout"
    KILL = "send SIGKILL"
    KILL_UNREADY = "send SIGKILL and say that it did not become ready in time"
    KILL_LATE = "send SIGKILL and say that it did not end in time"
    BURY = "log the cause, save what it left, replace it"


_BOOT, _READY, _DRAINING, _KILLED, _GONE = ChildState

TABLE: dict[ChildState, dict[Event, tuple[ChildState, Action]]] = {
    _BOOT: {
        Event.READY: (_READY, Action.ADMIT),
        # It may be accepting already, its READY still on the way: so it is asked, not killed.
        Event.DRAIN: (_DRAINING, Action.DRAIN),
        Event.STOP: (_DRAINING, Action.STOP),
        Event.DEADLINE: (_KILLED, Action.KILL_UNREADY),
        Event.KILL: (_KILLED, Action.KILL),
        Event.EXIT: (_GONE, Action.BURY),
    },
    _READY: {
        Event.READY: (_READY, Action.NOTHING),
        Event.DRAIN: (_DRAINING, Action.DRAIN),
        Event.STOP: (_DRAINING, Action.STOP),
        Event.DEADLINE: (_READY, Action.NOTHING),  # the boot's, overtaken by READY
        Event.KILL: (_KILLED, Action.KILL),
        Event.EXIT: (_GONE, Action.BURY),
    },
    _DRAINING: {
        Event.READY: (_DRAINING, Action.NOTHING),
        Event.DRAIN: (_DRAINING, Action.NOTHING),
        Event.STOP: (_DRAINING, Action.NOTHING),  # the time it was given stands
        Event.DEADLINE: (_KILLED, Action.KILL_LATE),
        Event.KILL: (_KILLED, Action.KILL),
        Event.EXIT: (_GONE, Action.BURY),
    },
    _KILLED: {
        Event.READY: (_KILLED, Action.NOTHING),
        Event.DRAIN: (_KILLED, Action.NOTHING),
        Event.STOP: (_KILLED, Action.NOTHING),
        Event.DEADLINE: (_KILLED, Action.NOTHING),
        Event.KILL: (_KILLED, Action.NOTHING),
        Event.EXIT: (_GONE, Action.BURY),
    },
    _GONE: dict.fromkeys(Event, (_GONE, Action.NOTHING)),
}


class Lifecycle:
    """One child's state."""

    __slots__ = ("_state",)

    def __init__(self) -> None:
        self._state = ChildState.BOOT

    @property
    def state(self) -> ChildState:
        return self._state

    def feed(self, event: Event) -> Action:
        """Move on by `event`; give what is to be done."""
        self._state, action = TABLE[self._state][event]
        return action
