"""The server of the control interface: who may command the master over the unix socket, and how many at a time.

Owns the listening socket and the set of connections; sidecars have connections of their own, which are not limited.
Knows nothing of requests and replies (`conversation`) nor of what commands mean (`commands`). Runs on the master's
loop, so nothing here may block, or grow with what clients do: the number of connections is limited, idle ones make room
for new ones, and one that stays idle is closed.
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
from ..descriptors import DescriptorHandoff
from ..eventloop import EventLoop, Timer
from .conversation import Answer, Conversation, Peer, Run
from .socketfile import SocketFile, create_socket

__all__ = ["Control"]

MAX_CONNECTIONS = 16
IDLE_S = 300.0
_SWEEP_S = 15.0
_NO_ROOM_S = 0.2  # a connection idle for so long may be closed to make room
_NO_DESCRIPTOR_S = 1.0
_CREDENTIALS = struct.Struct("iII")  # struct ucred: pid, uid, gid; unix(7)


class Control:
    """`run` is called for every request, `say(level, text)` writes the error log."""

    def __init__(self, loop: EventLoop, run: Run, say: Callable[[str, str], None]) -> None:
        self._loop = loop
        self._run = run
        self._say = say
        self._file: SocketFile | None = None
        self._where = "off"
        self._prepared: SocketFile | None = None
        self._connections: set[Conversation] = set()
        self._sweeper: Timer | None = None

    @property
    def path(self) -> str:
        """Path of the socket; "" if there is none."""
        return self._file.path if self._file is not None else ""

    def listen(self, where: str, name: str) -> None:
        """Listen at `where`: a path, "auto" (in the runtime directory of program `name`) or "off".

        A socket that is open there already is kept, or made again if its file has gone. A failure is logged as a
        warning.
        """
        prepared, self._prepared = self._prepared, None
        if prepared is None and self._stays(where):
            return
        self._stop_listening()
        self._where = where
        if where == "off":
            return
        try:
            self._file = prepared or create_socket(where, name)
        except OSError as error:
            path = error.filename or ("" if where == "auto" else where)
            what = f"control socket {path!r}" if path else "control socket"
            self._say("warning", f"no {what}: {error.strerror or error}; webpy ctl cannot reach this server")
            return
        self._loop.watch(self._file.socket, self._accept)
        self._say("info", f"control socket {self._file.path}")

    def prepare(self, where: str, name: str) -> None:
        """Make the socket that `listen` will use for these arguments, beside the present one.

        Raises SettingsError when it cannot be made. `discard` undoes it.
        """
        self.discard()
        if where in ("off", self._where) or self._stays(where):
            return
        try:
            self._prepared = create_socket(where, name)
        except OSError as error:
            raise SettingsError(f"control is {where!r}: no socket there, {error.strerror or error}") from error

    def discard(self) -> None:
        """Undo `prepare`."""
        if self._prepared is not None:
            self._prepared.close()
            self._prepared = None

    def _stays(self, where: str) -> bool:
        if self._file is None or not self._file.is_there():
            return False
        return where == self._where or (where != "auto" and os.path.abspath(where) == self._file.path)

    def serve(self, sock: socket.socket) -> None:
        """Take commands on `sock`, a connection that the master made for a sidecar, until its other end is closed."""
        sock.setblocking(False)
        self._begin(sock, Peer("a sidecar", limited=False))

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
        if self._prepared is not None:
            self._prepared.socket.close()
        for connection in self._connections:
            connection.socket.close()

    # -- an upgrade in place ---------------------------------------------------------------------------------

    def keep(self, handoff: DescriptorHandoff) -> dict[str, Any] | None:
        """Return the socket and the connections that wait for an upgrade's verdict as JSON data; None without a
        socket."""
        if self._file is None:
            return None
        file = self._file
        waiting = [
            {"fd": handoff.keep(each.socket), "id": each.id, "who": each.peer.name}
            for each in self._connections
            if each.peer.limited and each.command == "upgrade"
        ]
        return {
            "where": self._where,
            "path": file.path,
            "fd": handoff.keep(file.socket),
            "device": file.device,
            "inode": file.inode,
            "waiting": waiting,
        }

    def restore(self, state: Mapping[str, Any] | None) -> list[Answer]:
        """Take over what `keep` returned (in the new program); return the functions that answer those who wait."""
        if state is None:
            return []
        sock = _adopted(state["fd"])
        self._where = state["where"]
        self._file = SocketFile(state["path"], sock, state["device"], state["inode"])
        self._loop.watch(sock, self._accept)
        answers = []
        for waiting in state["waiting"]:
            connection = self._admit(_adopted(waiting["fd"]), Peer(waiting["who"]))
            answers.append(connection.await_answer("upgrade", waiting["id"]))
        return answers

    # -- connections -------------------------------------------------------------------------------------------

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
        except OSError:  # no descriptor left: the loop would try, and fail, again and again
            self._pause(_NO_DESCRIPTOR_S)
            return
        sock.setblocking(False)
        who, why = _identify(sock)
        if why:
            self._say("warning", f"control: {why}")
            _turn_away(sock, why)
        elif sum(each.peer.limited for each in self._connections) >= MAX_CONNECTIONS:
            _turn_away(sock, f"{MAX_CONNECTIONS} connections wait for a reply: there is no room for another")
        else:
            self._admit(sock, Peer(who))

    def _pause(self, delay_s: float) -> None:
        """Leave new connections in the kernel's queue for `delay_s`."""
        file = self._file

        def go_on() -> None:
            if file is not None and file is self._file:
                self._loop.watch(file.socket, self._accept)

        if file is not None:
            self._loop.forget(file.socket)
            self._loop.after(delay_s, go_on)

    def _make_room(self) -> bool:
        """Close the connection that has been idle for longest if there are too many.

        Returns False if that one is so new that it must have time to send its request.
        """
        limited = [each for each in self._connections if each.peer.limited]
        idle = [each for each in limited if not each.command or each.ended]
        if len(limited) < MAX_CONNECTIONS or not idle:
            return True
        oldest = min(idle, key=lambda each: each.last_s)
        if time.monotonic() - oldest.last_s < _NO_ROOM_S:
            return False
        oldest.close()
        return True

    def _admit(self, sock: socket.socket, peer: Peer) -> Conversation:
        connection = self._begin(sock, peer)
        if self._sweeper is None:
            self._sweeper = self._loop.after(_SWEEP_S, self._sweep)
        return connection

    def _sweep(self) -> None:
        self._sweeper = None
        too_long_ago = time.monotonic() - IDLE_S
        limited = [each for each in self._connections if each.peer.limited]
        for connection in limited:
            if not connection.command and connection.last_s < too_long_ago:
                connection.close()
        if limited:
            self._sweeper = self._loop.after(_SWEEP_S, self._sweep)

    def _begin(self, sock: socket.socket, peer: Peer) -> Conversation:
        connection = Conversation(sock, peer, self._loop, self._run, self._connections.discard)
        self._connections.add(connection)
        return connection


def _identify(sock: socket.socket) -> tuple[str, str]:
    """Return the name of the process at the other end, and why it may not command the master ("" if it may).

    Root may, and the user that the master runs as.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        return "ctl", ""  # the file's mode alone has to protect it
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
