"""Owns CherryPy's plugins: objects that subscribe their methods to the channels of the same names."""

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
    """Subscribes each of its methods that is named like a channel of the bus (`start`, `stop`, ...)."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    def subscribe(self) -> None:
        """Subscribe the methods to their channels."""
        for channel, method in self._methods():
            self.bus.subscribe(channel, method)

    def unsubscribe(self) -> None:
        """Unsubscribe the methods."""
        for channel, method in self._methods():
            self.bus.unsubscribe(channel, method)

    def _methods(self) -> list[tuple[str, Callable[..., Any]]]:
        found = ((channel, getattr(self, channel, None)) for channel in tuple(self.bus.listeners))
        return [(channel, method) for channel, method in found if callable(method)]


class BackgroundTask(threading.Thread):
    """A thread that calls `function` every `interval` seconds until `cancel` is called or the function raises."""

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
        """Whether the function will be called again."""
        return self.is_alive() and not self._cancelled.is_set()

    def cancel(self) -> None:
        """Stop calling the function."""
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
    """Calls `callback` every `frequency` seconds between `start` and `stop`, in one process of the server only."""

    def __init__(self, bus: Bus, callback: Callable[[], Any], frequency: float = 60, name: str | None = None) -> None:
        super().__init__(bus)
        self.callback = callback
        self.frequency = frequency
        self.name = name or type(self).__name__
        self.thread: BackgroundTask | None = None

    def start(self) -> None:
        """Start the thread."""
        if self.frequency > 0 and self.thread is None:
            self.thread = BackgroundTask(self.frequency, self.callback, bus=self.bus)
            self.thread.name = self.name
            self.thread.start()

    start.priority = 70  # type: ignore[attr-defined]

    def stop(self) -> None:
        """Stop the thread."""
        if self.thread is not None:
            self.thread.cancel()
            self.thread = None

    def graceful(self) -> None:
        """Restart the thread."""
        self.stop()
        self.start()


class PIDFile(SimplePlugin):
    """Writes the process's pid to a file at `start` and removes it at `exit`."""

    def __init__(self, bus: Bus, pidfile: str) -> None:
        super().__init__(bus)
        self.pidfile = pidfile

    def start(self) -> None:
        """Write the file. A symbolic link or a pipe in its place is not followed or opened: OSError."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with open(os.open(self.pidfile, flags, 0o644), "w", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")

    start.priority = 70  # type: ignore[attr-defined]

    def exit(self) -> None:
        """Remove the file."""
        Path(self.pidfile).unlink(missing_ok=True)


class DropPrivileges(SimplePlugin):
    """Lets the server run as another user and group, given by name or number, once its address is bound.

    For a program's own server. Under `webpy serve` it is an error: use `--user`, `--group` and `--umask`.
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
        """Set the server's settings."""
        server.user = None if self.uid is None else str(self.uid)
        server.group = None if self.gid is None else str(self.gid)
        server.umask = self.umask

    start.priority = 77  # type: ignore[attr-defined]


class Daemonizer(SimplePlugin):
    """Does nothing but log that: use a service manager, or `nohup`, to run a program in the background."""

    def __init__(self, bus: Bus, stdin: str = "", stdout: str = "", stderr: str = "") -> None:
        super().__init__(bus)

    def start(self) -> None:
        """Log that the program stays in the foreground."""
        self.bus.log("Daemonizer: the program stays in the foreground, as service managers want it", level=30)

    start.priority = 65  # type: ignore[attr-defined]
