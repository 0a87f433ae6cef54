from __future__ import annotations

import re
from pathlib import Path

import pytest

from webpy.supervisor.processes import child, states
from webpy.supervisor.processes.states import TABLE, Action, ChildLife, ChildState, Event

_PATHS = {
    ChildState.BOOT: [],
    ChildState.READY: [Event.READY],
    ChildState.STUCK: [Event.READY, Event.HANG],
    ChildState.DRAINING: [Event.READY, Event.DRAIN],
    ChildState.KILLED: [Event.KILL],
    ChildState.GONE: [Event.EXIT],
}


@pytest.mark.parametrize("state", ChildState)
@pytest.mark.parametrize("event", Event)
def test_every_state_takes_every_event(state: ChildState, event: Event) -> None:
    life = ChildLife()
    for step in _PATHS[state]:
        life.feed(step)
    assert life.state is state
    after, action = TABLE[state][event]
    assert life.feed(event) is action
    assert life.state is after
    assert after >= state, "a life goes one way"
    if event is Event.EXIT:
        assert after is ChildState.GONE
        assert action is (Action.NOTHING if state is ChildState.GONE else Action.REAP)
    if event is Event.KILL and state not in (ChildState.KILLED, ChildState.GONE):
        assert action is Action.KILL
    if state in (ChildState.KILLED, ChildState.GONE) and event is not Event.EXIT:
        assert action is Action.NOTHING


def test_every_action_can_be_reached_and_is_carried_out() -> None:
    reached = {action for row in TABLE.values() for _, action in row.values()}
    assert reached == set(Action) == set(child._ACTIONS)


def test_nothing_else_assigns_a_state() -> None:
    folder = Path(states.__file__).resolve().parent
    for file in folder.glob("*.py"):
        assigned = re.findall(r"\._state\s*(?:,[^=\n]*)?=(?!=)", file.read_text())
        assert bool(assigned) == (file.name == "states.py"), file
