"""Owns plugins: objects whose methods are called on the channels of their names."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .bus import Bus
from .settings import server

__all__ = ["BackgroundTask", "Daemonizer", "DropPrivileges", "Monitor", "PIDFile", "SimplePlugin"]


class SimplePlugin:
    """Subscribes each method that is called like a channel of the bus (`start`, `stop`, ...)."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    def subscribe(self) -> None:
        """Have the methods called from now on."""
        for channel, method in self._methods():
            self.bus.subscribe(channel, method)

    def unsubscribe(self) -> None:
        """Have them called no longer."""
        for channel, method in self._methods():
            self.bus.unsubscribe(channel, method)

    def _methods(self) -> list[tuple[str, Callable[..., Any]]]:
        found = ((channel, getattr(self, channel, None)) for channel in tuple(self.bus.listeners))
        return [(channel, method) for channel, method in found if callable(method)]


class BackgroundTask(threading.Thread):
    """Calls `function` every `interval` seconds in a thread of its own, until `cancel` or until it raises."""

    def __init__(
        self,
        interval: float,
        function: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
        bus: Bus | None = None,
    ) -> None:
        super().__init__(daemon=True)
        self.interval = interval
        self.function = function
        self.args = args
        self.kwargs = kwargs or {}
        self.bus = bus
        self._cancelled = threading.Event()

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self.is_alive() and not self._cancelled.is_set()

    def cancel(self) -> None:
        """Do not call it again."""
        self._cancelled.set()

    def run(self) -> None:
        while not self._cancelled.wait(self.interval):
            try:
                self.function(*self.args, **self.kwargs)
            except Exception:
                if self.bus is not None:
                    self.bus.log(f"Error in background task thread function {self.function!r}.", 40, traceback=True)
                raise


class Monitor(SimplePlugin):
    """Calls `callback` every `frequency` seconds, from `start` to `stop`: in one process of the server, not in each."""

    def __init__(self, bus: Bus, callback: Callable[[], Any], frequency: float = 60, name: str | None = None) -> None:
        super().__init__(bus)
        self.callback = callback
        self.frequency = frequency
        self.name = name or type(self).__name__
        self.thread: BackgroundTask | None = None

    def start(self) -> None:
        """Begin."""
        if self.frequency > 0 and self.thread is None:
            self.thread = BackgroundTask(self.frequency, self.callback, bus=self.bus)
            self.thread.name = self.name
            self.thread.start()

    start.priority = 70  # type: ignore[attr-defined]

    def stop(self) -> None:
        """End."""
        if self.thread is not None:
            self.thread.cancel()
            self.thread = None

    def graceful(self) -> None:
        """Begin anew."""
        self.stop()
        self.start()


class PIDFile(SimplePlugin):
    """Keeps the program's pid in a file from `start` to `exit`."""

    def __init__(self, bus: Bus, pidfile: str) -> None:
        super().__init__(bus)
        self.pidfile = pidfile

    def start(self) -> None:
        """Write it, but through no link and into no pipe that somebody has put there."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with open(os.open(self.pidfile, flags, 0o644), "w", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")

    start.priority = 70  # type: ignore[attr-defined]

    def exit(self) -> None:
        """Remove it."""
        Path(self.pidfile).unlink(missing_ok=True)


class DropPrivileges(SimplePlugin):
    """Has the server run as another user once it has its address; names or numbers.

    For a program's own server; `webpy serve` takes `--user`, `--group` and `--umask`, and does not start with this.
    """

    def __init__(
        self,
        bus: Bus,
        umask: int | None = None,
        uid: int | str | None = None,
        gid: int | str | None = None,
    ) -> None:
        super().__init__(bus)
        self.umask = umask
        self.uid = uid
        self.gid = gid

    def start(self) -> None:
        """Tell the server."""
        server.user = None if self.uid is None else str(self.uid)
        server.group = None if self.gid is None else str(self.gid)
        server.umask = self.umask

    start.priority = 77  # type: ignore[attr-defined]


class Daemonizer(SimplePlugin):
    """Does nothing but say so: a service manager, or `nohup`, puts a program into the background."""

    def __init__(self, bus: Bus, stdin: str = "", stdout: str = "", stderr: str = "") -> None:
        super().__init__(bus)

    def start(self) -> None:
        """Say so."""
        self.bus.log("Daemonizer: the program stays in the foreground, as service managers want it", level=30)

    start.priority = 65  # type: ignore[attr-defined]
