"""The commands of the control interface: their arguments, what the master does for them, and their replies.

Owns the table of commands (`_COMMANDS`), the checks of arguments and the texts of replies. Knows nothing of sockets.
Every reply is {"ok": bool, "text": str, ...}; this is what else it holds, and when it comes. Runs in the master.

    status                    {"status": see `status`}
    reload       wait=false   at once, when accepted; with wait=true at the end: its verdict and {"generation"}
    renew        wait=false   at once, when accepted; with wait=true at the end: what came of it (`renewals`)
    scale        workers      {"workers"}
    stop                      at once: the stop is graceful, also when asked for twice
    drain        slot         at once, when accepted: a replacement starts first, then the worker drains
    stacks       slot=null    {"stacks": [{"slot", "pid", "title", "text"}]}: all threads of one worker, or of all
    logs-reopen
    upgrade      wait=false   at once, when accepted; with wait=true at the end: its verdict
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..master import Master
from ..processes.causes import Cause
from ..processes.states import ChildState
from ..workers.reload import Asker, Verdict
from ..workers.worker import Worker, capacity
from .conversation import Answer
from .status import snapshot

__all__ = ["Commands"]


class _Refused(Exception):
    """The command cannot be done; the text says why."""


class Commands:
    """Runs commands on `master`."""

    def __init__(self, master: Master, upgrade: Callable[[Asker | None], str]) -> None:
        """upgrade: begins an upgrade in place, and returns why not, or ""."""
        self._master = master
        self._begin_upgrade = upgrade

    def run(self, request: dict[str, Any], answer: Answer, who: str = "") -> None:
        """Run {"command": name, ...arguments}; `answer` is called once with the reply, now or later.

        `who` names the client for the log.
        """
        arguments = dict(request)
        name = arguments.pop("command", None)
        try:
            command = _COMMANDS.get(name) if isinstance(name, str) else None
            if command is None:
                raise _Refused(f"command is {name!r}: one of {', '.join(_COMMANDS)} is wanted")
            if unknown := ", ".join(sorted(set(arguments) - set(command.arguments))):
                raise _Refused(f"{name} takes {', '.join(command.arguments) or 'no arguments'}: not {unknown}")
            checked = [check(key, arguments.get(key)) for key, check in command.arguments.items()]
            if name not in _QUIET:
                self._say(f"{name}: asked by {who or 'control'}")
            command.run(self, answer, *checked)
        except _Refused as refusal:
            answer({"ok": False, "text": str(refusal)})

    def _say(self, text: str) -> None:
        self._master.services.errors.say("info", text)

    # -- the commands ------------------------------------------------------------------------------------------

    def _status(self, answer: Answer) -> None:
        answer({"ok": True, "text": "", "status": snapshot(self._master)})

    def _reload(self, answer: Answer, wait: bool) -> None:
        def reply(verdict: Verdict) -> None:
            text = verdict.text or f"generation {verdict.generation} serves"
            answer({"ok": verdict.ok, "text": text, "generation": verdict.generation})

        if why := self._master.reload(reply if wait else None):
            raise _Refused(why)
        if not wait:
            answer({"ok": True, "text": "reload accepted"})

    def _renew(self, answer: Answer, wait: bool) -> None:
        self._require_running("renewal")

        def reply(ok: bool, text: str) -> None:
            answer({"ok": ok, "text": text})

        self._master.renewals.request(reply if wait else None)
        if not wait:
            answer({"ok": True, "text": "renewal accepted"})

    def _scale(self, answer: Answer, workers: int) -> None:
        self._require_running("scale")
        max_workers = capacity(self._master.services.scoreboard)
        if not 1 <= workers <= max_workers:
            possible = f"1 to {max_workers} are possible, more after a restart with more workers"
            raise _Refused(f"workers is {workers}: {possible}")
        if workers > 1 and (why := self._master.current.alone):
            raise _Refused(f"workers is {workers}: {why}")
        before = self._master.fleet.wanted
        self._master.scale(workers)
        answer({"ok": True, "text": f"workers: {before} -> {workers}", "workers": workers})

    def _stop(self, answer: Answer) -> None:
        if not self._master.ending.running:
            answer({"ok": True, "text": "stopping already"})
            return
        answer({"ok": True, "text": "stopping"})  # before the stop, which may take effect at once
        self._master.stop("asked by ctl")

    def _drain(self, answer: Answer, slot: int) -> None:
        self._require_running("drain")
        worker = self._worker(slot)
        state = worker.child.state
        if worker.leaving or state is not ChildState.READY:
            raise _Refused(f"worker {slot} [{worker.child.pid}] is {worker.leaving or state.name.lower()} already")
        self._master.fleet.replace(worker, Cause.OPERATOR, "asked by ctl")
        text = f"worker {slot} [{worker.child.pid}] drains when its replacement serves"
        self._master.services.events.add("drain", text, slot=slot)
        answer({"ok": True, "text": text})

    def _stacks(self, answer: Answer, slot: int | None) -> None:
        workers = list(self._master.fleet) if slot is None else [self._worker(slot)]
        workers = [worker for worker in workers if worker.child.pid]
        workers.sort(key=lambda worker: (worker.slot.index, worker.generation.number))
        taken: dict[Worker, str] = {}

        def finish() -> None:
            stacks = [
                {
                    "slot": worker.slot.index,
                    "pid": worker.child.pid,
                    "title": worker.child.title,
                    "text": taken[worker],
                }
                for worker in workers
            ]
            answer({"ok": True, "text": "", "stacks": stacks})

        def take(worker: Worker) -> None:
            def note(text: str) -> None:
                taken[worker] = text
                if len(taken) == len(workers):
                    finish()

            self._master.stacks.take(worker.child, note)

        if not workers:
            finish()
        for worker in workers:
            take(worker)

    def _reopen_logs(self, answer: Answer) -> None:
        if failures := self._master.reopen_logs():
            raise _Refused(failures)
        answer({"ok": True, "text": "log files reopened"})

    def _upgrade(self, answer: Answer, wait: bool) -> None:
        def reply(verdict: Verdict) -> None:
            answer({"ok": verdict.ok, "text": verdict.text})

        if why := self._begin_upgrade(reply if wait else None):
            raise _Refused(why)
        if not wait:
            answer({"ok": True, "text": "upgrade accepted"})

    # -- shared by commands ---------------------------------------------------------------------------------------

    def _require_running(self, what: str) -> None:
        if not self._master.ending.running:
            raise _Refused(f"no {what} now: {self._master.ending.stage.value}")

    def _worker(self, slot: int) -> Worker:
        worker = self._master.fleet.find(slot)
        if worker is None:
            slots = ", ".join(str(each.index) for each in self._master.fleet.slots if each.worker is not None)
            raise _Refused(f"slot is {slot}: no worker there, one of {slots or '(none)'} is wanted")
        return worker


def _flag(name: str, value: Any) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    raise _Refused(f"{name} is {value!r}: true or false is wanted")


def _number(name: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _Refused(f"{name} is {value!r}: a whole number is wanted")


def _number_or_none(name: str, value: Any) -> int | None:
    return None if value is None else _number(name, value)


class _Command:
    """A method of Commands, and for each of its arguments the check that returns the value or raises _Refused."""

    __slots__ = ("arguments", "run")

    def __init__(self, run: Callable[..., None], **arguments: Callable[[str, Any], Any]) -> None:
        self.run = run
        self.arguments = arguments


_COMMANDS = {
    "status": _Command(Commands._status),
    "reload": _Command(Commands._reload, wait=_flag),
    "renew": _Command(Commands._renew, wait=_flag),
    "scale": _Command(Commands._scale, workers=_number),
    "stop": _Command(Commands._stop),
    "drain": _Command(Commands._drain, slot=_number),
    "stacks": _Command(Commands._stacks, slot=_number_or_none),
    "logs-reopen": _Command(Commands._reopen_logs),
    "upgrade": _Command(Commands._upgrade, wait=_flag),
}
_QUIET = ("status", "stacks")  # they change nothing, so they are not logged
