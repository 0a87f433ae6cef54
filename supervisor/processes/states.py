"""The states of a child process as one table: state and event give the next state and an action.

Owns the states, and is the only place that assigns one. Knows nothing of processes: the actions are names, and `child`
carries them out. The table is the same for zygotes, workers and sidecars.

    BOOT ----READY----> READY ----DRAIN, STOP----> DRAINING ----EXIT----> GONE
      |                   |                         ^   |                  ^
      |                   +--HANG--> STUCK --DRAIN--+   |                  |
      |                   |            |                |                  |
      +-------------------+------------+----------------+--> KILLED --EXIT-+
                            KILL, DEADLINE, HOPELESS
"""

from __future__ import annotations

from enum import Enum, IntEnum

__all__ = ["TABLE", "Action", "ChildLife", "ChildState", "Event"]


class ChildState(IntEnum):
    """Where a child stands, as the master knows it; the number is what the scoreboard shows."""

    BOOT = 1  # forked, not READY yet
    READY = 2  # serving
    STUCK = 3  # something in it hangs; it serves what it can until its replacement is READY
    DRAINING = 4  # told to end; finishing what it has
    KILLED = 5  # sent SIGKILL, or about to be; not reaped yet
    GONE = 6


class Event(Enum):
    """What can happen to a child."""

    READY = "it said READY"
    DRAIN = "it is to end, others serve on"
    STOP = "it is to end, everything stops"
    HANG = "its loop stands still, or a request takes longer than it may"
    HOPELESS = "nothing is left of its work but what hangs"
    DEADLINE = "the time it had to become ready, or to end, is over"
    KILL = "it is to end at once"
    EXIT = "it has died"


class Action(Enum):
    """What the master does about an event."""

    NOTHING = "nothing"
    ADMIT = "count it as serving"
    DRAIN = "send DRAIN, give it drain-timeout"
    STOP = "send STOP, give it drain-timeout"
    STOP_TOO = "send STOP; the time it was given stands"
    QUARANTINE = "have it replaced"
    KILL = "send SIGKILL"
    KILL_UNREADY = "send SIGKILL and say that it did not become ready in time"
    KILL_LATE = "log its stacks, send SIGKILL and say that it did not end in time"
    KILL_HUNG = "log its stacks, send SIGKILL and say that it hung"
    REAP = "log the cause, save what it left, replace it"


_BOOT, _READY, _STUCK, _DRAINING, _KILLED, _GONE = ChildState

TABLE: dict[ChildState, dict[Event, tuple[ChildState, Action]]] = {
    _BOOT: {
        Event.READY: (_READY, Action.ADMIT),
        # It may be accepting already, with its READY still on the way: so it is told to end, not killed.
        Event.DRAIN: (_DRAINING, Action.DRAIN),
        Event.STOP: (_DRAINING, Action.STOP),
        Event.HANG: (_BOOT, Action.NOTHING),  # the boot timeout takes care of it
        Event.HOPELESS: (_BOOT, Action.NOTHING),
        Event.DEADLINE: (_KILLED, Action.KILL_UNREADY),
        Event.KILL: (_KILLED, Action.KILL),
        Event.EXIT: (_GONE, Action.REAP),
    },
    _READY: {
        Event.READY: (_READY, Action.NOTHING),
        Event.DRAIN: (_DRAINING, Action.DRAIN),
        Event.STOP: (_DRAINING, Action.STOP),
        Event.HANG: (_STUCK, Action.QUARANTINE),
        Event.HOPELESS: (_READY, Action.NOTHING),  # it still serves, so its replacement comes first
        Event.DEADLINE: (_READY, Action.NOTHING),  # the boot timeout, overtaken by READY
        Event.KILL: (_KILLED, Action.KILL),
        Event.EXIT: (_GONE, Action.REAP),
    },
    _STUCK: {
        Event.READY: (_STUCK, Action.NOTHING),
        Event.DRAIN: (_DRAINING, Action.DRAIN),
        Event.STOP: (_DRAINING, Action.STOP),
        Event.HANG: (_STUCK, Action.NOTHING),
        Event.HOPELESS: (_STUCK, Action.NOTHING),
        Event.DEADLINE: (_STUCK, Action.NOTHING),
        Event.KILL: (_KILLED, Action.KILL),
        Event.EXIT: (_GONE, Action.REAP),
    },
    _DRAINING: {
        Event.READY: (_DRAINING, Action.NOTHING),
        Event.DRAIN: (_DRAINING, Action.NOTHING),
        Event.STOP: (_DRAINING, Action.STOP_TOO),  # it may be handing connections over to workers that end too
        Event.HANG: (_DRAINING, Action.NOTHING),
        Event.HOPELESS: (_KILLED, Action.KILL_HUNG),
        Event.DEADLINE: (_KILLED, Action.KILL_LATE),
        Event.KILL: (_KILLED, Action.KILL),
        Event.EXIT: (_GONE, Action.REAP),
    },
    _KILLED: {
        Event.READY: (_KILLED, Action.NOTHING),
        Event.DRAIN: (_KILLED, Action.NOTHING),
        Event.STOP: (_KILLED, Action.NOTHING),
        Event.HANG: (_KILLED, Action.NOTHING),
        Event.HOPELESS: (_KILLED, Action.NOTHING),
        Event.DEADLINE: (_KILLED, Action.NOTHING),
        Event.KILL: (_KILLED, Action.NOTHING),
        Event.EXIT: (_GONE, Action.REAP),
    },
    _GONE: dict.fromkeys(Event, (_GONE, Action.NOTHING)),
}


class ChildLife:
    """One child's state; after an upgrade it begins with the `state` that the program before knew."""

    __slots__ = ("_state",)

    def __init__(self, state: ChildState = ChildState.BOOT) -> None:
        self._state = state

    @property
    def state(self) -> ChildState:
        return self._state

    def feed(self, event: Event) -> Action:
        """Move to the next state by `event`; return the action to carry out."""
        self._state, action = TABLE[self._state][event]
        return action
