"""The control interface: who may command the master over a unix socket, or from a sidecar, and how many at a time.

Owns the listening socket and the set of connections. Knows nothing of what is said (`conversation`) nor of what
commands mean (`commands`). Runs on the master's loop, so nothing here may block, or grow with what a client does or
does not do: there are so many connections, the silent give way to the new, and one on which nothing happens is closed.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from collections.abc import Callable, Mapping
from typing import Any

from ..config import SettingsError
from ..eventloop import EventLoop, Timer
from .conversation import Answer, Conversation, Run
from .socketfile import SocketFile, make

__all__ = ["Control"]

CONNECTIONS = 16
IDLE_S = 300.0
_SWEEP_S = 15.0
_NO_ROOM_S = 0.2  # a connection as silent as this gives way
_NO_DESCRIPTOR_S = 1.0
_CREDENTIALS = struct.Struct("iII")  # struct ucred: pid, uid, gid; unix(7)


class Control:
    """`run` is given every request; `say(level, text)` writes the log."""

    def __init__(self, loop: EventLoop, run: Run, say: Callable[[str, str], None]) -> None:
        self._loop = loop
        self._run = run
        self._say = say
        self._file: SocketFile | None = None
        self._where = "off"
        self._next: SocketFile | None = None
        self._connections: set[Conversation] = set()
        self._sweeper: Timer | None = None

    @property
    def path(self) -> str:
        """Of the socket; "" without one."""
        return self._file.path if self._file is not None else ""

    def listen(self, where: str, name: str) -> None:
        """Take commands at `where`: a path, "auto" (in the runtime directory of program `name`) or "off".

        A socket that is there already stays, or is made again if its file has gone. A failure is a warning.
        """
        prepared, self._next = self._next, None
        if prepared is None and self._stays(where):
            return
        self._stop_listening()
        self._where = where
        if where == "off":
            return
        try:
            self._file = prepared or make(where, name)
        except OSError as error:
            path = error.filename or ("" if where == "auto" else where)
            what = f"control socket {path!r}" if path else "control socket"
            self._say("warning", f"no {what}: {error.strerror or error}; webpy ctl cannot reach this server")
            return
        self._loop.watch(self._file.socket, self._accept)
        self._say("info", f"control socket {self._file.path}")

    def prepare(self, where: str, name: str) -> None:
        """Make the socket that `listen` is to use for these arguments, and leave alone the one that is there;
        SettingsError when it cannot be made. `discard` undoes it."""
        self.discard()
        if where in ("off", self._where) or self._stays(where):
            return
        try:
            self._next = make(where, name)
        except OSError as error:
            raise SettingsError(f"control is {where!r}: no socket there, {error.strerror or error}") from error

    def discard(self) -> None:
        """Undo `prepare`."""
        if self._next is not None:
            self._next.close()
            self._next = None

    def _stays(self, where: str) -> bool:
        if self._file is None or not self._file.is_there():
            return False
        return where == self._where or (where != "auto" and os.path.abspath(where) == self._file.path)

    def serve(self, sock: socket.socket) -> None:
        """Take commands on a connected socket of the master's own making, until its other end is closed."""
        sock.setblocking(False)
        self._begin(sock, "a sidecar", bounded=False)

    def close(self) -> None:
        """Close everything and remove the file (in the master)."""
        for connection in tuple(self._connections):
            connection.close()
        self._stop_listening()
        self.discard()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def abandon(self) -> None:
        """Close the descriptors (in a forked child)."""
        if self._file is not None:
            self._file.socket.close()
        if self._next is not None:
            self._next.socket.close()
        for connection in self._connections:
            connection.socket.close()

    # -- an upgrade in place ---------------------------------------------------------------------------------

    def state(self, keep: Callable[[socket.socket], int]) -> dict[str, Any] | None:
        """Give the socket, and the connections that wait for an upgrade's verdict, as JSON takes them.

        keep: told of each socket that has to outlive the exec, gives its descriptor. None without a socket.
        """
        if self._file is None:
            return None
        file = self._file
        waiting = [
            {"fd": keep(each.socket), "id": each.id, "who": each.who}
            for each in self._connections
            if each.bounded and each.command == "upgrade"
        ]
        return {
            "where": self._where,
            "path": file.path,
            "fd": keep(file.socket),
            "device": file.device,
            "inode": file.inode,
            "waiting": waiting,
        }

    def resume(self, state: Mapping[str, Any] | None) -> list[Answer]:
        """Take what `state` gave (in the program that replaced the one before); give who waits for its verdict."""
        if state is None:
            return []
        sock = _adopted(state["fd"])
        self._where = state["where"]
        self._file = SocketFile(state["path"], sock, state["device"], state["inode"])
        self._loop.watch(sock, self._accept)
        answers = []
        for waiting in state["waiting"]:
            connection = self._admit(_adopted(waiting["fd"]), waiting["who"])
            answers.append(connection.await_answer("upgrade", waiting["id"]))
        return answers

    # -- who comes -------------------------------------------------------------------------------------------

    def _stop_listening(self) -> None:
        if self._file is not None:
            self._loop.forget(self._file.socket)
            self._file.close()
            self._file = None

    def _accept(self) -> None:
        assert self._file is not None
        if not self._make_room():
            self._pause(_NO_ROOM_S)
            return
        try:
            sock, _ = self._file.socket.accept()
        except (BlockingIOError, ConnectionAbortedError, InterruptedError):
            return
        except OSError:  # no descriptor left: it would be readable, and fail, again and again
            self._pause(_NO_DESCRIPTOR_S)
            return
        sock.setblocking(False)
        who, why = _identify(sock)
        if why:
            self._say("warning", f"control: {why}")
            _turn_away(sock, why)
        elif sum(each.bounded for each in self._connections) >= CONNECTIONS:
            _turn_away(sock, f"{CONNECTIONS} connections wait for an answer: no room for one more")
        else:
            self._admit(sock, who)

    def _pause(self, delay_s: float) -> None:
        """Let who connects wait in the kernel's queue for a while."""
        file = self._file

        def go_on() -> None:
            if file is not None and file is self._file:
                self._loop.watch(file.socket, self._accept)

        if file is not None:
            self._loop.forget(file.socket)
            self._loop.after(delay_s, go_on)

    def _make_room(self) -> bool:
        """Close the connection that has been silent for longest, if there are too many; False when that one came only
        just now, and is to have the time to say something."""
        bounded = [each for each in self._connections if each.bounded]
        silent = [each for each in bounded if not each.command or each.ended]
        if len(bounded) < CONNECTIONS or not silent:
            return True
        oldest = min(silent, key=lambda each: each.last)
        if time.monotonic() - oldest.last < _NO_ROOM_S:
            return False
        oldest.close()
        return True

    def _admit(self, sock: socket.socket, who: str) -> Conversation:
        connection = self._begin(sock, who, bounded=True)
        if self._sweeper is None:
            self._sweeper = self._loop.after(_SWEEP_S, self._sweep)
        return connection

    def _sweep(self) -> None:
        self._sweeper = None
        too_long_ago = time.monotonic() - IDLE_S
        bounded = [each for each in self._connections if each.bounded]
        for connection in bounded:
            if not connection.command and connection.last < too_long_ago:
                connection.close()
        if bounded:
            self._sweeper = self._loop.after(_SWEEP_S, self._sweep)

    def _begin(self, sock: socket.socket, who: str, *, bounded: bool) -> Conversation:
        connection = Conversation(sock, who, self._loop, self._run, self._connections.discard, bounded=bounded)
        self._connections.add(connection)
        return connection


def _identify(sock: socket.socket) -> tuple[str, str]:
    """Say who is at the other end, and why not to listen to it: root may, and who the master itself is."""
    if not hasattr(socket, "SO_PEERCRED"):
        return "ctl", ""  # the file's mode has to do
    try:
        pid, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    except OSError as error:
        return "", f"cannot tell who connects: {error.strerror}"
    if uid not in (0, os.geteuid()):
        wanted = f"uid {os.geteuid()} or 0" if os.geteuid() else "uid 0"
        return "", f"pid {pid} of uid {uid} may not command this server: {wanted} is wanted"
    return f"ctl [{pid}] of uid {uid}", ""


def _turn_away(sock: socket.socket, why: str) -> None:
    with sock:
        try:
            sock.send(json.dumps({"ok": False, "text": why}).encode() + b"\n")
        except OSError:
            return


def _adopted(fd: int) -> socket.socket:
    sock = socket.socket(fileno=fd)
    sock.setblocking(False)
    sock.set_inheritable(False)
    return sock
