"""One child process as the master sees it: its pid, its channel, its state, and how long it may take.

Owns the master's end of the channel, and carries out the actions of the state table (`states`). Knows nothing of slots,
generations or logs: `changed` is called after every change of state, and `last_words` before it is killed for being
late or hung. Made by `children`; runs in the master.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..config import Config
from ..descriptors import DescriptorHandoff
from ..eventloop import EventLoop, Timer
from .causes import Cause
from .messages import Message, Packet, receive, send
from .states import Action, ChildLife, ChildState, Event

__all__ = ["Changed", "Child", "Family"]

_EXIT_GRACE_S = 1.0  # between the end of a channel and the end of its process
_KILL_AGAIN_S = 0.01
_KILL_TRIES = 100
_MESSAGES = 64  # read in one turn of the loop
_LAST_WORDS_S = 0.6  # for `last_words` to log what a child was doing before it is killed

Changed = Callable[["Child"], None]


@dataclass(slots=True)
class Family:
    """What a child needs to know of all children; one for all of them, made by `Children`."""

    loop: EventLoop
    reaps_all: bool
    """Whether every descendant becomes the master's child when its parent dies."""
    gone: Changed
    """Called when a child has been reaped, before its `changed` is."""
    pids: set[int] = field(default_factory=set)
    """Of those that are known and not reaped."""

    def owns(self, pid: int) -> bool:
        """Return whether `pid` is a child of this process: a pid that a child has said is checked before it is used."""
        if not self.reaps_all:
            return True
        try:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except (ChildProcessError, OverflowError):
            return False
        return True


class Child:
    """`changed` is called with the child after every change of its state."""

    __slots__ = (
        "_changed",
        "_config",
        "_deadline",
        "_family",
        "_life",
        "alone",
        "asked",
        "cause",
        "channel",
        "killed",
        "last_words",
        "pid",
        "ready_at",
        "reason",
        "renewal_answered",
        "stacks_fd",
        "started_at",
        "status",
        "title",
        "verdict",
    )

    def __init__(self, title: str, channel: socket.socket, family: Family, config: Config, changed: Changed) -> None:
        self.title = title
        self.channel = channel
        self.pid: int | None = None
        """None until it is known (`learn_pid`)."""
        self.started_at = time.monotonic()
        self.ready_at: float | None = None
        self.status: int | None = None
        """Wait status; None before it was reaped, or where it could not be."""
        self.asked = False
        """Whether the master told it to end, or killed it."""
        self.killed = False
        """Whether the master sent it SIGKILL."""
        self.cause: Cause | None = None
        """The cause of its death if the master killed it for being unready, late or hung."""
        self.stacks_fd = -1
        """Where its stacks can be read (`stacks`), -1 if they cannot."""
        self.last_words: Callable[[Callable[[], None]], None] | None = None
        """Called before it is killed for being late or hung, to log what it does; it calls its argument when that is
        done, and the child is killed then, or after 0.6 s."""
        self.reason = ""
        """Why it was killed or asked to end, if it was."""
        self.verdict = ""
        """Why it failed, as it said itself: a traceback."""
        self.alone = ""
        """Why only one worker of its application can serve, as it said with READY; "" if many can."""
        self.renewal_answered: Callable[[Packet], None] | None = None
        """Called with each RENEWED and REFUSED that it says."""
        self._family = family
        self._life = ChildLife()
        self._changed = changed
        self._config = config
        self._deadline: Timer | None = family.loop.after(config.boot_timeout_s, self._expire)
        family.loop.watch(channel, self.take_messages)

    def learn_pid(self, pid: int) -> None:
        """Note the process's pid."""
        self.pid = pid
        self._family.pids.add(pid)

    def owns_process(self) -> bool:
        """Return whether its pid is known, and a child of this process."""
        return self.pid is not None and self._family.owns(self.pid)

    def abandon(self) -> None:
        """Close the descriptors (in a child that was just forked)."""
        self.channel.close()
        if self.stacks_fd >= 0:
            os.close(self.stacks_fd)

    # -- an upgrade ------------------------------------------------------------------------------------------

    def keep(self, handoff: DescriptorHandoff) -> dict[str, Any]:
        """Return its part of the upgrade state, as JSON takes it."""
        due = None if self._deadline is None else self._deadline.due
        return {
            "title": self.title,
            "channel": handoff.keep(self.channel),
            "stacks": handoff.keep(self.stacks_fd),
            "pid": self.pid,
            "state": self.state.name,
            "started_at": self.started_at,
            "ready_at": self.ready_at,
            "deadline_s": None if due is None else due - self._family.loop.time(),
            "asked": self.asked,
            "cause": self.cause,
            "reason": self.reason,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Set what `keep` returned (in the program that took over)."""
        self._life = ChildLife(ChildState[state["state"]])
        self._set_deadline(state["deadline_s"])
        self.stacks_fd = state["stacks"]
        self.started_at, self.ready_at = state["started_at"], state["ready_at"]
        self.asked, self.reason = state["asked"], state["reason"]
        self.cause = None if state["cause"] is None else Cause(state["cause"])
        if self.state is ChildState.KILLED:  # the program before may have been waiting for `last_words`
            self._kill()

    # -- its state -------------------------------------------------------------------------------------------

    @property
    def state(self) -> ChildState:
        return self._life.state

    @property
    def died_young(self) -> bool:
        """Whether it has gone without being READY for `healthy_after_s`."""
        return self.ready_at is None or time.monotonic() - self.ready_at < self._config.healthy_after_s

    def feed(self, event: Event, reason: str = "") -> None:
        """Move its state on by `event`: the action of the table is carried out, then `changed` called."""
        before = self.state
        action = self._life.feed(event)
        if reason and action is not Action.NOTHING:
            self.reason = reason
        _ACTIONS[action](self)
        if self.state is not before:
            self._changed(self)

    # -- the actions of the table ---------------------------------------------------------------------------------

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
        if self.pid is None:  # it was stopped before it could say its pid: it ends when it finds the channel closed
            self._family.loop.after(0.0, self._hang_up)
        else:
            self._send_kill()

    def _send_kill(self, tries: int = _KILL_TRIES) -> None:
        if self.pid is None or self.state is ChildState.GONE:
            return
        if self._family.owns(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        elif tries:  # what was between it and the zygote has not ended yet
            self._family.loop.after(_KILL_AGAIN_S, lambda: self._send_kill(tries - 1))
        else:  # the pid it said is not its own: closing the channel is all that can be done
            self.feed(Event.EXIT)

    def _kill_unready(self) -> None:
        self.cause = Cause.UNREADY
        self.reason = f"did not become ready within {self._config.boot_timeout_s:g} s"
        self._kill()

    def _kill_late(self) -> None:
        self.reason = f"did not end within {self._config.drain_timeout_s:g} s"
        self._kill_after_last_words(Cause.LATE)

    def _kill_hung(self) -> None:
        self.reason = self.reason or "hung"
        self._kill_after_last_words(Cause.HANG)

    def _kill_after_last_words(self, cause: Cause) -> None:
        self.cause = cause
        if self.last_words is None:
            self._kill()
            return
        self._set_deadline(None)
        self._family.loop.after(_LAST_WORDS_S, self._kill)  # even if its last words do not come
        self.last_words(self._kill)

    def _reap(self) -> None:
        self._set_deadline(None)
        if self.pid is not None:
            self._family.pids.discard(self.pid)
        self._family.gone(self)
        self._family.loop.forget(self.channel)
        self.channel.close()
        if self.stacks_fd >= 0:
            self._family.loop.forget(self.stacks_fd)
            os.close(self.stacks_fd)
            self.stacks_fd = -1

    # -- messages ----------------------------------------------------------------------------------

    def tell(self, message: Message, number: int = 0, descriptor: int = -1) -> bool:
        """Send it a message; return False if it has gone or its channel is full."""
        return send(self.channel, message, number, descriptor=descriptor)

    def take_messages(self) -> None:
        """Read what it has said, at most 64 messages in one turn of the loop: others have their turn between."""
        for _ in range(_MESSAGES):
            if self.state is ChildState.GONE or (packet := receive(self.channel)) is None:
                return
            if packet.descriptor >= 0:
                self._keep_stacks(packet.message, packet.descriptor)
            match packet.message:
                case Message.FORKED:
                    self._take_pid(packet.number)
                case Message.READY:
                    self.alone = packet.text.decode("utf-8", "replace")
                    self.feed(Event.READY)
                case Message.FAILED:
                    self.verdict = packet.text.decode("utf-8", "replace").rstrip()
                case Message.RENEWED | Message.REFUSED:
                    if self.renewal_answered is not None:
                        self.renewal_answered(packet)
                case Message.ORPHANED:
                    self._channel_ended()
                    return

    def _take_pid(self, pid: int) -> None:
        if self.pid is None and pid not in self._family.pids:
            self.learn_pid(pid)

    def _keep_stacks(self, message: Message, descriptor: int) -> None:
        is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)  # reading anything else might block
        if message is not Message.FORKED or self.stacks_fd >= 0 or not is_pipe:
            os.close(descriptor)
            return
        self.stacks_fd = _own_end(descriptor)

    def _channel_ended(self) -> None:
        self._family.loop.forget(self.channel)
        if self.pid is None or not self._family.reaps_all:
            self._hang_up()
        else:
            self._family.loop.after(_EXIT_GRACE_S, self._end_without_channel)

    def _end_without_channel(self) -> None:
        self.feed(Event.KILL, "closed its channel to the master")

    def _hang_up(self) -> None:
        # waitpid() is of no use here, so a process that closed its channel is presumed dead; SIGKILL makes sure
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
        self._deadline = None if delay_s is None else self._family.loop.after(delay_s, self._expire)


_ACTIONS: dict[Action, Callable[[Child], None]] = {
    Action.NOTHING: Child._nothing,
    Action.ADMIT: Child._admit,
    Action.DRAIN: Child._drain,
    Action.STOP: Child._stop,
    Action.STOP_TOO: Child._stop_too,
    Action.QUARANTINE: Child._nothing,  # the fleet sees the state, and replaces it
    Action.KILL: Child._kill,
    Action.KILL_UNREADY: Child._kill_unready,
    Action.KILL_LATE: Child._kill_late,
    Action.KILL_HUNG: Child._kill_hung,
    Action.REAP: Child._reap,
}


def _own_end(pipe: int) -> int:
    """Return a descriptor of our own for a pipe's reading end: the child cannot make that one blocking. Closes
    `pipe`."""
    try:
        own = os.open(f"/proc/self/fd/{pipe}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # no /proc, as on macOS
        os.set_blocking(pipe, False)
        return pipe
    os.close(pipe)
    return own
