"""The upgrade state: everything a master holds as one document, which the old program saves and the new one restores.

Owns the document's outline and the order in which its parts are restored. Each part saves and restores its own entry
(`keep` and `adopt`); this module does not look into it. The keys stay the same between versions, so that one version
can take over from another. `save_state` is called in the master by `upgrade`, just before the exec; `restore_state` by
the supervisor of the new program, instead of starting.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Any

from ..config import Config, SettingsError
from ..control.server import Control
from ..master import Master
from ..processes.context import Application, Context, LoadError
from ..resources import Basis
from ..scoreboard.row import Row
from ..system.binding import BindError
from ..system.identity import Identity
from ..workers.generation import Generation
from .handoff import BLOCKED_SIGNALS, Handoff, compatibility

__all__ = ["config_in_force", "restore_state", "save_state"]


def save_state(master: Master, control: Control, keeps: Mapping[str, int], handoff: Handoff) -> dict[str, Any]:
    """Return everything that `master` holds as JSON data, and add its descriptors to `handoff`. Changes nothing.
    `keeps` are descriptors by name that are handed over besides those of the parts.

    Raises OSError when a log could not be opened again.
    """
    services = master.services
    resources = master.resources.keep(handoff)
    generations = {master.current, *master.fleet.generations()}
    return {
        "resources": resources,
        "scoreboard": services.scoreboard.keep(handoff),
        "adoption": [handoff.keep(end) for end in services.adoption.descriptors],
        "events": services.events.keep(),
        "control": control.keep(handoff),
        "generations": [generation.keep(handoff) for generation in generations],
        "current": master.current.number,
        "fleet": master.fleet.keep(handoff),
        "drainer": master.drainer.keep(),
        "reloads": master.reloader.keep(),
        "strangers": sorted(master.ending.leftovers.strangers),
        "keeps": {name: handoff.keep(number) for name, number in keeps.items()},
    }


def config_in_force(state: Mapping[str, Any]) -> Config:
    """Return the settings in force in a state that `save_state` returned. Raises RuntimeError if this program cannot
    take over from the one that wrote it."""
    if state["terms"] != compatibility():
        raise RuntimeError("this program is not the one whose preflight succeeded: it cannot take over")
    (entry,) = (entry for entry in state["generations"] if entry["number"] == state["current"])
    return Config.restore(entry["config"])


def restore_state(master: Master, control: Control, state: Mapping[str, Any]) -> None:
    """Continue where the old program stopped: restore in `master` what its `save_state` returned. The parts are made,
    and resources, scoreboard and adoption socket restored already."""
    generations = _restore_generations(master, state)
    master.services.events.restore(state["events"])
    master.installation.current = generations[state["current"]]
    master.fleet.restore(state["fleet"], generations, master.current)
    if "drainer" in state:
        master.drainer.restore(state["drainer"])
    master.reloader.restore(state["reloads"])
    for entry in state["generations"]:
        generations[entry["number"]].resume(entry)

    text = "upgrade done: the master runs the new program"
    master.services.errors.say("info", text)
    master.services.events.add("upgrade", text, pid=os.getpid())
    for answer in control.restore(state["control"]):
        answer({"ok": True, "text": text})
    master.sidecars.apply(master.current.basis)
    master.services.children.reap()
    master.drainer.drain()
    master.fleet.reconcile()
    if master.fleet.ever_ready:
        master.notify.ready()
    for number in state["signals"]:  # of before the exec; those that came since are blocked until the next line
        os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED_SIGNALS)


def _restore_generations(master: Master, state: Mapping[str, Any]) -> dict[int, Generation]:
    now, application = _read_settings(master, config_in_force(state))
    generations = {}
    for entry in state["generations"]:
        number = entry["number"]
        listeners, beside = master.resources.listeners, master.resources.side_listeners
        if number != state["current"]:  # an old generation, which forks no more workers
            listeners, beside = [], []
        bound = {listener.bind for listener in beside}
        sidecars = tuple(sidecar for sidecar in now.sidecars if bound.issuperset(sidecar.binds))
        config = Config.restore(entry["config"], sidecars)
        basis = Basis(
            config, application, Identity(**entry["identity"]), master.resources.access, listeners, beside
        )
        generations[number] = master.reloader.generation(number, basis)
    return generations


def _read_settings(master: Master, in_force: Config) -> tuple[Config, Application]:
    """Return the settings and the application as they are now.

    The preflight has read them a moment ago. If they have become unreadable since, the workers that serve must not
    suffer: return the settings in force, and an application that reports the mistake when it is loaded.
    """
    try:
        return master.resources.read()
    except (SettingsError, BindError) as error:
        text = f"the settings cannot be read any more: {error}"
        master.services.errors.say("error", f"the present workers keep serving, but {text}")
        return in_force, _UnloadableApplication(text)


class _UnloadableApplication(Application):
    """Stands for the application while the settings cannot be read; loading it raises LoadError with the reason."""

    def __init__(self, why: str) -> None:
        self._why = why

    def load(self) -> None:
        raise LoadError(self._why)

    def run(self, context: Context) -> None:
        raise LoadError(self._why)

    def lost(self, text: bytes, started: float, row: Row) -> bytes:
        return b""
