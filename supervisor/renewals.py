"""New content for running workers, without a reload: for a web server, its certificates.

Owns one renewal at a time, and who asked for it. The generation's zygote tries the content first; if it can use it, so
can the workers, and those forked later have it already. What the zygote refuses changes nothing anywhere. The master
itself only passes the bytes on, and so cannot be brought down by them. Knows nothing of what they are
(`content`). Runs in the master.

1. `Renewals.request` is called by the control interface's command `renew`, or by `_look`, once a second, if the
   settings say that the application's files are watched. The application reads its content (`Renewable.changed`), or
   the caller has it.
2. A RENEW message brings it to the zygote, which answers RENEWED or REFUSED.
3. After RENEWED the application in the master keeps it, for a zygote that may have to replace this one, and every
   worker of the generation gets a RENEW message, also those that boot.
4. When all of them have answered or gone, whoever asked is called with the verdict.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .content import Facts, content_file
from .processes.causes import Cause
from .processes.child import Child
from .processes.messages import Message, Packet
from .processes.states import ChildState
from .scoreboard.layout import MasterCell
from .services import Services
from .workers.fleet import Fleet
from .workers.generation import Generation
from .workers.worker import Worker

__all__ = ["Renewals", "Renewed"]

_LOOK_S = 1.0
_ANSWER_S = 10.0  # for the zygote, and then for the workers, to take it
_WARN_S = 3600.0

Renewed = Callable[[bool, str], None]
"""Called with whether the renewal succeeded, and a sentence about it."""


@dataclass(slots=True, eq=False)
class _Renewal:
    """One content for one generation."""

    number: int
    generation: Generation
    content: bytes
    askers: list[Renewed]
    zygote: Child | None = None
    """Once it was sent to it."""
    tried: bool = False
    """Whether the zygote uses it."""
    waiting: dict[Child, Worker] = field(default_factory=dict)
    """The workers that have not answered yet."""
    taken: int = 0
    due_s: float = 0.0
    """When whoever has not answered is not waited for any more, in the loop's time."""


class Renewals:
    """`request` begins one; `look_on` begins to watch, and is called once the first generation is there."""

    def __init__(self, services: Services, fleet: Fleet, generations: Callable[[], Iterable[Generation]]) -> None:
        """generations: gives those that fork workers, now or soon."""
        self._loop = services.loop
        self._say = services.errors.say
        self._events = services.events
        self._cells = services.scoreboard.master
        self._fleet = fleet
        self._generations = generations
        self._number = 0
        self._current: _Renewal | None = None
        self._queue: deque[_Renewal] = deque()
        self._warned: set[str] = set()
        self._warned_of: list[Facts] = []
        self._warn_at = 0.0

    @property
    def under_way(self) -> bool:
        """Whether some processes may have the new content, and others not yet."""
        return self._current is not None

    def look_on(self) -> None:
        """Look once a second, from now on: at the content, if it is watched; for answers that do not come; and for
        what is to be warned of."""
        self._loop.after(_LOOK_S, self.look_on)
        for generation in self._generations():
            if generation.config.watches and generation.can_fork:
                self._read(generation, None, settled=True)
        self._warn()
        self._go_on()

    def request(self, asker: Renewed | None = None, content: bytes | None = None) -> None:
        """Have all generations use `content`; None for what their applications read now. `asker` is called once with
        the verdict, perhaps before this returns."""
        verdict = asker or _nothing
        generations = [each for each in self._generations() if each.renewable is not None]
        if not generations:
            verdict(False, "the application takes nothing on without a reload")
            return
        verdict = _once(len(generations), verdict)
        for generation in generations:
            if content is None:
                self._read(generation, verdict, settled=False)
            else:
                self._enqueue(generation, content, verdict)
        self._go_on()

    def _read(self, generation: Generation, asker: Renewed | None, *, settled: bool) -> None:
        if generation.renewable is None:
            return
        try:
            content = generation.renewable.changed(settled=settled)
            if content is None and generation.uses_other_content:
                content = generation.renewable.content()
        except (OSError, ValueError) as error:
            self._fail(generation, str(error), [asker] if asker is not None else [])
            return
        if content is not None:
            generation.uses_other_content = False
            self._enqueue(generation, content, asker)
        elif asker is not None:
            asker(True, "nothing has changed")

    def _enqueue(self, generation: Generation, content: bytes, asker: Renewed | None) -> None:
        askers = [asker] if asker is not None else []
        self._number += 1
        self._queue.append(_Renewal(self._number, generation, content, askers))

    # -- one after the other ---------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Give up what takes too long, and begin the next if there is none under way."""
        current = self._current
        if current is not None and not current.tried:
            if current.zygote is None or current.zygote.state is ChildState.GONE:
                self._end("the loader died of the new ones")
            elif self._loop.time() > current.due_s:
                current.generation.replace_zygote("did not take on new content")
                self._end(f"the loader did not answer within {_ANSWER_S:g} s")
        elif current is not None:
            self._check_workers(current)
        while self._current is None and self._queue:
            if not self._begin(self._queue[0]):
                return

    def _begin(self, renewal: _Renewal) -> bool:
        """Send it to the generation's zygote; return False if there is none at the moment."""
        generation = renewal.generation
        if generation.closed:
            self._queue.popleft()
            for asker in renewal.askers:
                asker(True, f"generation {generation.number} is not in force any more")
            return True
        if not generation.can_fork or generation.zygote is None:
            return False
        self._current = self._queue.popleft()
        renewal.zygote = generation.zygote
        renewal.due_s = self._loop.time() + _ANSWER_S
        generation.renewal_answered = lambda packet: self._zygote_answered(renewal, packet)
        if not self._send(renewal, generation.zygote):
            self._end("the loader cannot be reached")
        return True

    def _send(self, renewal: _Renewal, child: Child) -> bool:
        try:
            descriptor = content_file(renewal.content)
        except OSError as error:
            self._say("error", f"new content cannot be passed on: {error.strerror}")
            return False
        try:
            return child.tell(Message.RENEW, renewal.number, descriptor)
        finally:
            os.close(descriptor)

    def _zygote_answered(self, renewal: _Renewal, packet: Packet) -> None:
        if renewal is not self._current or renewal.tried or packet.number != renewal.number:
            return
        if packet.message is Message.REFUSED:
            self._end(packet.text.decode("utf-8", "replace"))
            self._go_on()
            return
        renewal.tried = True
        generation = renewal.generation
        if generation.renewable is not None:
            generation.renewable.keep(renewal.content)
        renewal.due_s = self._loop.time() + _ANSWER_S
        for worker in self._fleet:
            if worker.generation is generation and worker.child.state is not ChildState.GONE:
                renewal.waiting[worker.child] = worker
                worker.child.renewal_answered = lambda said, worker=worker: self._worker_answered(worker, said)
                if not self._send(renewal, worker.child):
                    self._worker_failed(renewal, worker, "cannot be reached")
        self._go_on()

    # -- the workers -----------------------------------------------------------------------------------------

    def _worker_answered(self, worker: Worker, packet: Packet) -> None:
        renewal = self._current
        if renewal is None or packet.number != renewal.number or worker.child not in renewal.waiting:
            return
        if packet.message is Message.REFUSED:
            self._worker_failed(renewal, worker, packet.text.decode("utf-8", "replace"))
        else:
            del renewal.waiting[worker.child]
            renewal.taken += 1
        self._go_on()

    def _worker_failed(self, renewal: _Renewal, worker: Worker, why: str) -> None:
        """Have a worker replaced that cannot use what its zygote can: its replacement will."""
        renewal.waiting.pop(worker.child, None)
        self._say("warning", f"{worker.child.title} [{worker.child.pid}] takes on no new content: {why}")
        self._fleet.replace(worker, Cause.RELOAD, "did not take on new content")

    def _check_workers(self, renewal: _Renewal) -> None:
        for child, worker in list(renewal.waiting.items()):
            if child.state is ChildState.GONE:
                del renewal.waiting[child]
            elif self._loop.time() > renewal.due_s:
                self._worker_failed(renewal, worker, f"it did not answer within {_ANSWER_S:g} s")
        if not renewal.waiting:
            self._end("")

    def worker_gone(self) -> None:
        """Go on, as a worker has died: its answer may have been waited for."""
        if self._current is not None:
            self._go_on()

    # -- the end ---------------------------------------------------------------------------------------------

    def _end(self, failure: str) -> None:
        renewal, self._current = self._current, None
        assert renewal is not None
        renewal.generation.renewal_answered = None
        if failure:
            self._fail(renewal.generation, failure, renewal.askers)
            return
        self._cells[MasterCell.RENEWALS] += 1
        text = f"taken on by {renewal.taken} worker{'s' if renewal.taken != 1 else ''}"
        text = f"new {_name(renewal.generation)} {text}"
        self._say("info", text)
        self._events.add("renewal", text, generation=renewal.generation.number)
        for asker in renewal.askers:
            asker(True, text)

    def _fail(self, generation: Generation, why: str, askers: list[Renewed]) -> None:
        self._cells[MasterCell.RENEWALS_FAILED] += 1
        self._say("error", f"the {_name(generation)} in use stay in use: {why}")
        self._events.add("renewal-failed", why)
        for asker in askers:
            asker(False, why)

    # -- warnings --------------------------------------------------------------------------------------------

    def _warn(self) -> None:
        """Log what the applications warn of, each line once; they are asked once an hour, and when their facts have
        changed."""
        now_s = self._loop.time()
        warning = [each for each in self._generations() if each.renewable is not None and each.facts]
        facts = [each.facts for each in warning]
        if now_s < self._warn_at and facts == self._warned_of:
            return
        self._warn_at, self._warned_of = now_s + _WARN_S, facts
        lines = {line for each in warning if each.renewable is not None for line in each.renewable.warnings(each.facts)}
        for line in sorted(lines - self._warned):
            self._say("warning", line)
        self._warned = lines


def _name(generation: Generation) -> str:
    return "contents" if generation.renewable is None else generation.renewable.name


def _nothing(ok: bool, text: str) -> None:
    """Stand for an asker that is not there."""


def _once(count: int, asker: Renewed) -> Renewed:
    """Return an asker for each of `count` renewals, which calls `asker` once: with the first failure, or when all have
    succeeded with the last text."""
    left = count

    def told(ok: bool, text: str) -> None:
        nonlocal left
        if not left:
            return
        left = left - 1 if ok else 0
        if not left:
            asker(ok, text)

    return told
