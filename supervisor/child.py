"""A child process as the master sees it: its pid, its channel, its state, and the time it has.

Owns the channel's end in the master, carries out what the state table says, and reaps. Knows nothing of
slots, generations or logs: its keeper is told whenever its state has changed. Runs in the master.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator

from .config import Config
from .eventloop import EventLoop, Timer
from .messages import Message, receive, send
from .states import Action, ChildState, Event, Lifecycle

__all__ = ["Child", "Children"]

_EXIT_GRACE_S = 1.0  # between the end of a channel and the end of its process
_KILL_AGAIN_S = 0.01
_KILL_TRIES = 100


class Child:
    """One child; `changed` is called with it after every change of its state."""

    __slots__ = (
        "_changed",
        "_config",
        "_deadline",
        "_life",
        "asked",
        "channel",
        "children",
        "pid",
        "ready_at",
        "reason",
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
        self.reason = ""
        """Why it was killed or asked to end, if it was."""
        self.verdict = ""
        """What it said of its failure: a traceback."""
        self._life = Lifecycle()
        self._changed = changed
        self._config = config
        self._deadline: Timer | None = children.loop.after(config.boot_timeout_s, self._expire)
        children.add(self)
        children.loop.watch(channel, self.take_messages)

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

    def _kill(self) -> None:
        self.asked = True
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
        self.reason = f"did not become ready within {self._config.boot_timeout_s:g} s"
        self._kill()

    def _kill_late(self) -> None:
        self.reason = f"did not end within {self._config.drain_timeout_s:g} s"
        self._kill()

    def _bury(self) -> None:
        self._set_deadline(None)
        self.children.remove(self)
        self.children.loop.forget(self.channel)
        self.channel.close()

    # -- what happens to it ----------------------------------------------------------------------------------

    def tell(self, message: Message, number: int = 0, descriptor: int = -1) -> bool:
        """Send a message; False when it cannot take it."""
        return send(self.channel, message, number, descriptor=descriptor)

    def take_messages(self) -> None:
        """Take what it has said."""
        while self.state is not ChildState.GONE and (packet := receive(self.channel)) is not None:
            match packet.message:
                case Message.FORKED:
                    self._name_itself(packet.number)
                case Message.READY:
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
    Action.KILL: Child._kill,
    Action.KILL_UNREADY: Child._kill_unready,
    Action.KILL_LATE: Child._kill_late,
    Action.BURY: Child._bury,
}


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
