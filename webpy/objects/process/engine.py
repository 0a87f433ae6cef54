"""Owns `engine`, the bus of this process. What starts the server is in `program`, which sets `engine.program`."""

from __future__ import annotations

import itertools
import threading
from typing import Any

from .bus import Bus
from .logs import log
from .settings import server

__all__ = ["Engine", "engine", "set_engine", "set_server"]


class Engine(Bus):
    """The bus, with the channel `start_worker` beside CherryPy's: published in each worker before its first request."""

    def __init__(self) -> None:
        super().__init__()
        self.program: Any = None  # starts and stops the server; set by `program`
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
        """Call the listeners of `start`, begin to serve `tree` and return. Does nothing under `webpy serve`.

        Raises ChannelFailures if a listener raised.
        """
        self.program.start()

    def block(self) -> None:
        """Wait until the server has ended, by `exit` or a signal, then call the listeners of `stop` and `exit`."""
        self.program.block()

    def stop(self) -> None:
        """Stop serving and call the listeners of `stop`."""
        self.program.stop()

    def exit(self) -> None:
        """Make `block` return. A page may call this; its answer is still sent."""
        self.program.exit()

    def restart(self) -> None:
        """Log that nothing is done: use `webpy ctl reload` or `--reload`."""
        self.log("restart: webpy restarts by `webpy ctl reload` or `--reload`; nothing is done", level=30)

    def acquire_thread(self) -> None:
        """Publish `start_thread`, with a number for the thread, before its first request; `acquire_thread` before each.

        Called at the beginning of each request, in its thread.
        """
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
    """Stands for a part of CherryPy's engine that programs configure and webpy does not need."""

    def __init__(self) -> None:
        self.files: set[str] = set()

    def subscribe(self) -> None:
        """Does nothing."""

    unsubscribe = subscribe


def _log(message: str, level: int) -> None:
    log.error(message, "ENGINE", severity=level)


def set_engine(key: str, value: Any) -> None:
    """Apply an entry `engine.*` of the configuration: subscribe a plugin, or set an attribute of it or the engine."""
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
    """Apply an entry `server.*` of the configuration."""
    setattr(server, key, value)


engine = Engine()
