"""Owns `engine`, the bus of this program, and its threads' first use; whatever starts the server is in `program`."""

from __future__ import annotations

import itertools
import threading
from typing import Any

from .bus import Bus
from .logs import log
from .settings import server

__all__ = ["Engine", "engine", "set_engine", "set_server"]


class Engine(Bus):
    """The bus. Beside CherryPy's channels: `start_worker`, in each worker process before its first request there."""

    def __init__(self) -> None:
        super().__init__()
        self.program: Any = None  # what `program` puts here serves
        self._seen = threading.local()
        self._threads = itertools.count(1)
        self._worker_lock = threading.Lock()
        self._has_worker_started = False
        self.autoreload: Any = _Unused()
        self.signals: Any = _Unused()
        self.signal_handler: Any = _Unused()
        self.console_control_handler: Any = _Unused()
        self.thread_manager: Any = _Unused()
        self.subscribe("log", _log)
        self.subscribe("graceful", log.reopen_files)

    def start(self) -> None:
        """Call the listeners of `start` and serve `tree`; returns. Nothing under `webpy serve`. Raises what they do."""
        self.program.start()

    def block(self) -> None:
        """Wait until the server has ended, by `exit` or a signal, and call the listeners of `stop` and `exit`."""
        self.program.block()

    def stop(self) -> None:
        """Stop serving, and call the listeners of `stop`."""
        self.program.stop()

    def exit(self) -> None:
        """Have `block` return. A page may call it, and its answer is still sent."""
        self.program.exit()

    def restart(self) -> None:
        """Nothing: `webpy ctl reload` and `--reload` do."""
        self.log("restart: webpy restarts by `webpy ctl reload` or `--reload`; nothing is done", level=30)

    def acquire_thread(self) -> None:
        """Publish `start_thread` if this thread serves its first request, with its number; `acquire_thread` always."""
        if not hasattr(self._seen, "number"):
            self._seen.number = next(self._threads)
            self._start_worker()
            self.publish("start_thread", self._seen.number)
        self.publish("acquire_thread")

    def _start_worker(self) -> None:
        with self._worker_lock:
            if not self._has_worker_started:
                self._has_worker_started = True
                self.publish("start_worker")


class _Unused:
    """What CherryPy's programs set up and webpy does by itself, or by its options."""

    def __init__(self) -> None:
        self.files: set[str] = set()

    def subscribe(self) -> None:
        """Nothing."""

    unsubscribe = subscribe


def _log(message: str, level: int) -> None:
    log.error(message, "ENGINE", severity=level)


def set_engine(key: str, value: Any) -> None:
    """What `engine.*` of the configuration does: subscribe, or set an attribute of the engine or of a plugin."""
    name, dot, rest = key.partition(".")
    if not dot:
        setattr(engine, name, value)
        return
    plugin = getattr(engine, name)
    act = getattr(plugin, "subscribe" if value else "unsubscribe", None)
    if rest == "on" and callable(act):
        act()
    else:
        setattr(plugin, rest, value)


def set_server(key: str, value: Any) -> None:
    """What `server.*` of the configuration does."""
    setattr(server, key, value)


engine = Engine()
