"""Owns `quickstart`, and how `engine.start()`, `block()` and `exit()` serve `tree` on every core, in a script.

The script's process forks a master, which serves. The listeners of `start` are called once, in the script's process,
before there are workers; those of `stop` and `exit` once, there too, when all workers have ended. A reload (HUP) does
not call them. Under `webpy serve`, `generation` starts the engine, and the functions here do nothing.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from .. import server as webpy_server
from ..target.target import loading
from .configuration.config import config as global_config
from .configuration.reading import Source
from .handler import new
from .process.bus import States
from .process.engine import engine
from .process.settings import server
from .tree import tree

__all__ = ["quickstart"]


class _Program:
    """The server that runs while this process's engine is started; methods of `engine` call those of the same name."""

    def __init__(self) -> None:
        self._running: webpy_server.HTTPServer | None = None
        self._pid = 0
        self._stop_reader, self._stop_writer = -1, -1  # a pipe: a byte written to `_stop_writer` ends the server
        self._waiter: threading.Thread | None = None
        self._finishing = threading.RLock()

    def start(self) -> None:
        """Call the listeners of `start`, begin to serve and return.

        Raises ChannelFailures if a listener raised, after all listeners have been called and the bus has been stopped.
        """
        if loading() or engine.state in (States.STARTING, States.STARTED):
            return
        self._pid = os.getpid()
        engine.state = States.STARTING
        try:
            engine.publish("start")
            if server.is_wanted and tree.apps:
                self._serve()
        except BaseException:
            self._finish()
            raise
        engine.state = States.STARTED

    def _serve(self) -> None:
        address: Any = f"unix:{server.socket_file}" if server.socket_file else None
        running = webpy_server.HTTPServer(
            address or (server.socket_host or "0.0.0.0", server.socket_port or 0), new(tree), **server.keywords()
        )
        # inherited by the workers: pages write to it to end the program
        self._stop_reader, self._stop_writer = os.pipe()
        running.start()
        self._running = running
        self._waiter = threading.Thread(target=self._stop_on_request, args=(running,), name="webpy-exit", daemon=True)
        self._waiter.start()

    def _stop_on_request(self, running: webpy_server.HTTPServer) -> None:
        os.read(self._stop_reader, 1)
        running.stop()

    def block(self) -> None:
        """Wait until the server has ended, by `exit` or a signal, then call the listeners of `stop` and `exit`."""
        if loading() or os.getpid() != self._pid:
            return
        try:
            running = self._running
            if running is None:
                engine.wait(States.EXITING, channel="main")
            else:
                while running.is_running():
                    running.join(_TICK_S)
                    engine.publish("main")
        except KeyboardInterrupt:
            pass
        self._finish()

    def stop(self) -> None:
        """Stop serving and call the listeners of `stop`; in a worker, ask the script's process to."""
        if os.getpid() != self._pid:
            self._request_stop()
            return
        with self._finishing:
            if self._running is not None:
                self._running.close()
                self._running = None
                self._request_stop()  # the server has ended: this makes the waiting thread return
                if self._waiter is not None:
                    self._waiter.join()
                os.close(self._stop_reader)
                os.close(self._stop_writer)
                self._stop_reader = self._stop_writer = -1
            if engine.state not in (States.STOPPED, States.EXITING):
                engine.state = States.STOPPING
                engine.publish("stop")
                engine.state = States.STOPPED

    def exit(self) -> None:
        """End the program, so that `block` returns. In a worker, only ask the script's process to: the page's answer is
        still sent."""
        if os.getpid() == self._pid:
            self._finish()
        else:
            self._request_stop()

    def _request_stop(self) -> None:
        if self._stop_writer >= 0:
            os.write(self._stop_writer, b"x")
        else:
            engine.log("exit: a page cannot end `webpy serve`; `webpy ctl stop` does", level=30)

    def _finish(self) -> None:
        with self._finishing:
            if engine.state is not States.EXITING:
                try:
                    self.stop()
                finally:
                    engine.state = States.EXITING
                    engine.publish("exit")


_TICK_S = 0.5  # how often `block` publishes the channel `main`
engine.program = _Program()


def quickstart(root: Any = None, script_name: str = "", config: Source | None = None) -> None:
    """Mount the pages of `root` and serve them until the program is told to end.

    config: the application's configuration, a dict of paths to entries or a file; its section `global` is for the
    server. The address is `server.socket_host` and `.socket_port` there, 127.0.0.1:8080 by default; a `bind` in
    webpy.toml or WEBPY_BIND overrides it.
    """
    if config:
        global_config.update(config)
    tree.mount(root, script_name, config)
    engine.start()
    engine.block()
