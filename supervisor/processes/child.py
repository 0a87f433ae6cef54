"""A child process as the master sees it: its pid, its channel, its state, and the time it has.

Owns the channel's end in the master, carries out what the state table says, and reaps. Knows nothing of
slots, generations or logs: its keeper is told whenever its state has changed, and before it is killed with
something to say. Runs in the master.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..config import Config
from ..eventloop import EventLoop, Timer
from .causes import Cause
from .messages import Message, receive, send
from .states import Action, ChildState, Event, Lifecycle

if TYPE_CHECKING:
    from ..upgrade.handoff import Handoff

__all__ = ["Child", "Children"]

_EXIT_GRACE_S = 1.0  # between the end of a channel and the end of its process
_KILL_AGAIN_S = 0.01
_KILL_TRIES = 100
_MESSAGES = 64  # taken in one turn of the loop
_LAST_WORDS_S = 0.6  # for whoever tells what a child was doing before it is killed


class Child:
    """One child; `changed` is called with it after every change of its state."""

    __slots__ = (
        "_changed",
        "_config",
        "_deadline",
        "_life",
        "alone",
        "asked",
        "cause",
        "channel",
        "children",
        "killed",
        "last_words",
        "pid",
        "ready_at",
        "reason",
        "stacks_fd",
        "started_at",
        "status",
        "title",
        "verdict",
    )

    def __init__(
        self,
        title: str,
        channel: socket.socket,
        children: Children,
        *,
        pid: int | None,
        config: Config,
        changed: Callable[[Child], None],
    ) -> None:
        self.title = title
        self.channel = channel
        self.children = children
        self.pid = pid
        """None until it has said it."""
        self.started_at = time.monotonic()
        self.ready_at: float | None = None
        self.status: int | None = None
        """Wait status; None before it was reaped, or where it could not be."""
        self.asked = False
        """Whether the master told it to end, or killed it."""
        self.killed = False
        """Whether the master sent it SIGKILL."""
        self.cause: Cause | None = None
        """Why it was killed, where the killing itself says so."""
        self.stacks_fd = -1
        """Where its stacks can be read (`stacks`)."""
        self.last_words: Callable[[Callable[[], None]], None] | None = None
        """Called before it is killed for being late or hung; calls its argument when what was to be told is."""
        self.reason = ""
        """Why it was killed or asked to end, if it was."""
        self.verdict = ""
        self.alone = ""
        """What it said of its failure: a traceback."""
        self._life = Lifecycle()
        self._changed = changed
        self._config = config
        self._deadline: Timer | None = children.loop.after(config.boot_timeout_s, self._expire)
        children.add(self)
        children.loop.watch(channel, self.take_messages)

    def keep(self, handoff: Handoff) -> dict[str, Any]:
        """Give it as JSON takes it, for the program that replaces the master's."""
        due = None if self._deadline is None else self._deadline.due
        return {
            "title": self.title,
            "channel": handoff.keep(self.channel),
            "stacks": handoff.keep(self.stacks_fd),
            "pid": self.pid,
            "state": self.state.name,
            "started_at": self.started_at,
            "ready_at": self.ready_at,
            "deadline_s": None if due is None else due - self.children.loop.time(),
            "asked": self.asked,
            "cause": self.cause,
            "reason": self.reason,
        }

    @classmethod
    def adopt(
        cls, kept: Mapping[str, Any], children: Children, config: Config, changed: Callable[[Child], None]
    ) -> Child:
        """Take on what `keep` gave."""
        channel = socket.socket(fileno=kept["channel"])
        channel.setblocking(False)
        child = cls(kept["title"], channel, children, pid=kept["pid"], config=config, changed=changed)
        child._life = Lifecycle(ChildState[kept["state"]])
        child._set_deadline(kept["deadline_s"])
        child.stacks_fd = kept["stacks"]
        child.started_at, child.ready_at = kept["started_at"], kept["ready_at"]
        child.asked, child.reason = kept["asked"], kept["reason"]
        child.cause = None if kept["cause"] is None else Cause(kept["cause"])
        if child.state is ChildState.KILLED:  # what was to be told before may have been cut short
            child._kill()
        return child

    @property
    def state(self) -> ChildState:
        return self._life.state

    @property
    def died_young(self) -> bool:
        """Whether, having gone, it never was READY or not for long."""
        return self.ready_at is None or time.monotonic() - self.ready_at < self._config.healthy_after_s

    def feed(self, event: Event, reason: str = "") -> None:
        """Let `event` happen to it."""
        before = self.state
        action = self._life.feed(event)
        if reason and action is not Action.NOTHING:
            self.reason = reason
        _ACTIONS[action](self)
        if self.state is not before:
            self._changed(self)

    # -- what the table says ---------------------------------------------------------------------------------

    def _nothing(self) -> None:
        pass

    def _admit(self) -> None:
        self._set_deadline(None)
        self.ready_at = time.monotonic()

    def _drain(self) -> None:
        self.asked = True
        self.tell(Message.DRAIN)
        self._set_deadline(self._config.drain_timeout_s)

    def _stop(self) -> None:
        self.asked = True
        self.tell(Message.STOP)
        self._set_deadline(self._config.drain_timeout_s)

    def _stop_too(self) -> None:
        self.tell(Message.STOP)

    def _kill(self) -> None:
        self.asked = self.killed = True
        self._set_deadline(None)
        if self.pid is None:  # stopped before it could say it: the end of the channel ends it
            self.children.loop.after(0.0, self._hang_up)
        else:
            self._send_kill()

    def _send_kill(self, tries: int = _KILL_TRIES) -> None:
        if self.pid is None or self.state is ChildState.GONE:
            return
        if self.children.owns(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        elif tries:  # what was between it and the zygote has not ended yet
            self.children.loop.after(_KILL_AGAIN_S, lambda: self._send_kill(tries - 1))
        else:  # it lied about its pid: the end of the channel is all there is
            self.feed(Event.EXIT)

    def _kill_unready(self) -> None:
        self.cause = Cause.UNREADY
        self.reason = f"did not become ready within {self._config.boot_timeout_s:g} s"
        self._kill()

    def _kill_late(self) -> None:
        self.reason = f"did not end within {self._config.drain_timeout_s:g} s"
        self._kill_told(Cause.LATE)

    def _kill_hung(self) -> None:
        self.reason = self.reason or "hung"
        self._kill_told(Cause.HANG)

    def _kill_told(self, cause: Cause) -> None:
        self.cause = cause
        if self.last_words is None:
            self._kill()
            return
        self._set_deadline(None)
        self.children.loop.after(_LAST_WORDS_S, self._kill)  # whatever becomes of its last words
        self.last_words(self._kill)

    def _reap(self) -> None:
        self._set_deadline(None)
        self.children.remove(self)
        self.children.loop.forget(self.channel)
        self.channel.close()
        if self.stacks_fd >= 0:
            self.children.loop.forget(self.stacks_fd)
            os.close(self.stacks_fd)
            self.stacks_fd = -1

    # -- what happens to it ----------------------------------------------------------------------------------

    def tell(self, message: Message, number: int = 0, descriptor: int = -1) -> bool:
        """Send a message; False when it cannot take it."""
        return send(self.channel, message, number, descriptor=descriptor)

    def take_messages(self) -> None:
        """Take what it has said; what comes without end is taken in turns, with all else between them."""
        for _ in range(_MESSAGES):
            if self.state is ChildState.GONE or (packet := receive(self.channel)) is None:
                return
            if packet.descriptor >= 0:
                self._keep_stacks(packet.message, packet.descriptor)
            match packet.message:
                case Message.FORKED:
                    self._name_itself(packet.number)
                case Message.READY:
                    self.alone = packet.text.decode("utf-8", "replace")
                    self.feed(Event.READY)
                case Message.FAILED:
                    self.verdict = packet.text.decode("utf-8", "replace").rstrip()
                case Message.ORPHANED:
                    self._channel_ended()
                    return

    def _name_itself(self, pid: int) -> None:
        if self.pid is None and not self.children.knows(pid):
            self.pid = pid
            self.children.know(self)

    def _keep_stacks(self, message: Message, descriptor: int) -> None:
        is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)  # reading anything else might take as long as it likes
        if message is not Message.FORKED or self.stacks_fd >= 0 or not is_pipe:
            os.close(descriptor)
            return
        self.stacks_fd = _own_end(descriptor)

    def _channel_ended(self) -> None:
        self.children.loop.forget(self.channel)
        if self.pid is None or not self.children.reaps_all:
            self._hang_up()
        else:
            self.children.loop.after(_EXIT_GRACE_S, self._end_without_channel)

    def _end_without_channel(self) -> None:
        self.feed(Event.KILL, "closed its channel to the master")

    def _hang_up(self) -> None:
        # nobody can be waited for: what holds the channel no more is taken for dead, and made sure of
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.feed(Event.EXIT)

    def _expire(self) -> None:
        self._deadline = None
        self.feed(Event.DEADLINE)

    def _set_deadline(self, delay_s: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if delay_s is None else self.children.loop.after(delay_s, self._expire)


_ACTIONS: dict[Action, Callable[[Child], None]] = {
    Action.NOTHING: Child._nothing,
    Action.ADMIT: Child._admit,
    Action.DRAIN: Child._drain,
    Action.STOP: Child._stop,
    Action.STOP_TOO: Child._stop_too,
    Action.QUARANTINE: Child._nothing,  # its keeper sees the state
    Action.KILL: Child._kill,
    Action.KILL_UNREADY: Child._kill_unready,
    Action.KILL_LATE: Child._kill_late,
    Action.KILL_HUNG: Child._kill_hung,
    Action.REAP: Child._reap,
}


def _own_end(pipe: int) -> int:
    """Open a pipe's reading end anew, so that nobody else can make it block or keep it; give that descriptor."""
    try:
        own = os.open(f"/proc/self/fd/{pipe}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # no /proc, as on macOS
        os.set_blocking(pipe, False)
        return pipe
    os.close(pipe)
    return own


class Children:
    """All children of the master, by pid.

    `reaps_all`: whether every descendant becomes the master's when orphaned; `emptied` is called as the last
    one goes.
    """

    def __init__(self, loop: EventLoop, *, reaps_all: bool, emptied: Callable[[], None]) -> None:
        self.loop = loop
        self._emptied = emptied
        self.reaps_all = reaps_all
        self._all: set[Child] = set()
        self._by_pid: dict[int, Child] = {}

    def __iter__(self) -> Iterator[Child]:
        return iter(tuple(self._all))

    def __len__(self) -> int:
        return len(self._all)

    def add(self, child: Child) -> None:
        self._all.add(child)
        self.know(child)

    def knows(self, pid: int) -> bool:
        return pid in self._by_pid

    def owns(self, pid: int) -> bool:
        """Whether `pid` is a child of this process: what a child says of itself is not taken for granted."""
        if not self.reaps_all:
            return True
        try:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except (ChildProcessError, OverflowError):
            return False
        return True

    def know(self, child: Child) -> None:
        """Note its pid."""
        if child.pid is not None:
            self._by_pid[child.pid] = child

    def remove(self, child: Child) -> None:
        self._all.discard(child)
        if child.pid is not None:
            self._by_pid.pop(child.pid, None)
        if not self._all:
            self._emptied()

    def reap(self) -> None:
        """Take every status there is (on SIGCHLD); orphans that are not children of ours are reaped in
        silence."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._died(pid, status)

    def _died(self, pid: int, status: int) -> None:
        if pid not in self._by_pid:
            for child in self:
                if child.pid is None:
                    child.take_messages()  # it may have said its pid just now
        child_or_none = self._by_pid.get(pid)
        if child_or_none is not None:
            child_or_none.status = status
            child_or_none.take_messages()  # what it said before it died
            child_or_none.feed(Event.EXIT)

    def abandon(self) -> None:
        """Close the channels (in a forked child)."""
        for child in self._all:
            child.channel.close()
            if child.stacks_fd >= 0:
                os.close(child.stacks_fd)
