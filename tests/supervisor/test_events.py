"""The memory of events: bounded, in order, and taken through an upgrade."""

from __future__ import annotations

import json
import time

from webpy.supervisor.events import Events


def test_it_remembers_the_latest_in_order() -> None:
    events = Events()
    for number in range(300):
        events.add("ready", f"worker {number}", slot=number)
    assert len(events.recent) == 256
    first, last = events.recent[0], events.recent[-1]
    assert (first["slot"], last["slot"]) == (44, 299)
    assert last["kind"] == "ready" and last["text"] == "worker 299"
    assert abs(time.time() - float(last["at"])) < 5


def test_a_long_text_keeps_its_end() -> None:
    events = Events()
    events.add("reload-failed", "x" * 5000 + "ValueError: no")
    text = str(events.recent[-1]["text"])
    assert len(text) == 2001 and text.startswith("…x") and text.endswith("ValueError: no")


def test_it_survives_an_upgrade() -> None:
    old, new = Events(), Events()
    old.add("start", "started")
    old.add("death", "worker 0 died", slot=0)
    old.count("exit")
    old.count("exit")
    new.add("upgrade", "new program")
    new.count("exit")
    new.restore(json.loads(json.dumps(old.keep())))
    assert [each["kind"] for each in new.recent] == ["start", "death", "upgrade"]
    assert new.counts == {"exit": 3}
