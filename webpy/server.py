"""`HTTPServer`, for programs that serve themselves instead of being run by `webpy serve`.

`HTTPServer.run` makes the program's own process the master; `HTTPServer.start` forks a master, and the program goes on.
Owns the program's side of that: the listeners, the signals that are passed on, and waiting for the end.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn

from .framework.atomic import ResourceLocks
from .framework.errorhandler import HTTPErrorHandler
from .framework.routing.routes import compile_routes
from .serving import add_acme, config_of, inherited_locks, prepare_statedir, supervise
from .settings import Resolved, find_config, resolve
from .supervisor import Config, Supervisor
from .supervisor.system.identity import Identity
from .supervisor.system.listeners import Listener, open_listeners
from .supervisor.system.socketaccess import SocketAccess
from .target.target import loading
from .worker import Site, WebApplication

__all__ = ["HTTPServer"]

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_PASSED_ON = (signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU)


class HTTPServer:
    """A server for handlers on an address, with a worker on every core.

    `address` is (host, port), or a str as `--bind` takes it, or several of these; `routes` maps regexes to handlers;
    `error_routes` maps regexes on the status, or statuses, to `HTTPErrorHandler`s; `mixins` stand before every answer,
    outermost first; `log` is a logger that workers use instead of the error log, `http_log` one that they use instead
    of the access log. `settings` are options of `webpy serve`, by their names with "_"; environment variables and
    webpy.toml override them. Raises SettingsError (a ValueError) for mistakes in settings, ValueError for bad routes
    or mix-ins.

        httpd = webpy.HTTPServer(("localhost", 8080), routes)
        httpd.start()      # returns; the program runs until TERM or INT

    A file that does this can also be given to `webpy serve`: `start` does nothing then, and `webpy serve` serves.
    """

    # parameters: their names and order are the public interface (docs/targets.md)
    def __init__(
        self,
        address: tuple[str, int] | str | Sequence[str],
        routes: Mapping[Any, Any],  # Any: `{"/": Handler, **webpy.file.new("docs")}` is a dict of objects to mypy
        error_routes: Mapping[Any, Any] | None = None,
        keyfile: str | None = None,
        certfile: str | None = None,
        *,
        log: logging.Logger | None = None,
        http_log: logging.Logger | None = None,
        mixins: Sequence[type] = (),
        **settings: Any,
    ) -> None:
        self.routes = routes
        self.error_routes: dict[Any, type[HTTPErrorHandler]] = dict(error_routes or {})
        self.mixins = mixins
        self.settings: dict[str, Any] = {"bind": address, "keyfile": keyfile, "certfile": certfile, **settings}
        self._log = log
        self._http_log = http_log
        compile_routes(routes, self.error_routes, mixins)
        self._resolve()
        self._listeners: list[Listener] = []
        self._master_pid = 0
        self._stop_fd = -1
        self._ending = threading.RLock()  # guards the two above; a signal may interrupt its holder
        self._waiter: threading.Thread | None = None
        self._handlers: dict[signal.Signals, Any] = {}

    @property
    def address(self) -> tuple[str, int] | str:
        """The first address: (host, port) or a str; once started, with the port that the system chose for port 0."""
        if not self._listeners:
            return _first_address(self.settings["bind"])
        where = self._listeners[0].address
        host, colon, port = where.rpartition(":")
        return (host.strip("[]"), int(port)) if colon and port.isdigit() else where

    def is_running(self) -> bool:
        """Return True if the server has been started and has not ended."""
        return self._waiter is not None and self._waiter.is_alive()

    def run(self) -> int:
        """Serve in the foreground until stopped; return the exit status."""
        if loading():
            return 0
        locks = inherited_locks()
        return supervise(self._configure(locks), locks)

    def start(self) -> None:
        """Start the server in another process and return.

        From then on, TERM and INT to this process stop the server, and the other signals to a master (docs/operate.md)
        are passed on to it, unless the program handles them itself. The program does not exit before the
        server has stopped. Raises OSError when the address cannot be bound, RuntimeError if it was started already.
        """
        if loading():
            return  # `webpy serve` serves, and needs the routes only
        if self.is_running():
            raise RuntimeError("the server was started already")
        resolved = self._resolve()
        config = config_of(resolved)
        self._listeners = open_listeners(config.binds, config.backlog, SocketAccess.of(config, Identity.of(config)))
        stop_reader, self._stop_fd = os.pipe()
        configure = self._configure(ResourceLocks())
        # Signals that come before `_take_signals` wait until then: they would end this program, but not the server.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {*_STOP_SIGNALS, *_PASSED_ON})
        try:
            pid = os.fork()
            if pid == 0:
                for number in _PASSED_ON:  # until the supervisor handles them: there is nothing to reload yet
                    signal.signal(number, signal.SIG_IGN)
                signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
                self._run_master(configure, stop_reader)
            os.close(stop_reader)
            for listener in self._listeners:
                listener.socket.close()
            self._master_pid = pid
            self._waiter = threading.Thread(target=self._wait, args=(pid,), name="webpy")
            self._waiter.start()
            self._take_signals()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)

    def _run_master(self, configure: Callable[[], tuple[Config, WebApplication]], stop_reader: int) -> NoReturn:
        """Serve until stopped, and end this process (in the fork)."""
        status = 1
        try:
            os.close(self._stop_fd)
            os.setsid()  # the terminal's signals go to the program, which passes them on
            sockets = [listener.socket for listener in self._listeners]
            theirs = any(listener.theirs for listener in self._listeners)  # fd:N: the program may still use it
            status = Supervisor(configure).run(sockets, stop_fd=stop_reader, theirs=theirs)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)

    def stop(self, timeout: float | None = None) -> None:
        """Stop gracefully, and wait at most `timeout` seconds until the server has ended."""
        self._ask_to_stop()
        self.join(timeout)

    def join(self, timeout: float | None = None) -> None:
        """Wait at most `timeout` seconds until the server has ended."""
        if self._waiter is not None:
            self._waiter.join(timeout)

    def close(self) -> None:
        """Stop gracefully, and restore the program's signal handlers."""
        self.stop()
        self._restore_signals()

    def __enter__(self) -> HTTPServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _resolve(self) -> Resolved:
        given = {name: value for name, value in self.settings.items() if value is not None}
        return resolve({}, os.environ, find_config(None, os.environ, Path.cwd()), given)

    def _configure(self, locks: ResourceLocks) -> Callable[[], tuple[Config, WebApplication]]:
        def configure() -> tuple[Config, WebApplication]:
            resolved = self._resolve()
            config = config_of(resolved)
            prepare_statedir(config)
            site = Site(self.routes, self.error_routes, mixins=self.mixins)
            application = WebApplication(resolved, lambda: site, locks, self._log, self._http_log)
            return config, add_acme(application, resolved, config)

        return configure

    def _wait(self, pid: int) -> None:
        """Wait for the master to end. Runs in a thread of the program, which keeps the program alive."""
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with self._ending:  # the pid and the descriptor cannot be reused before waitpid and close
            os.waitpid(pid, 0)
            self._master_pid = 0
            os.close(self._stop_fd)
            self._stop_fd = -1
        for listener in self._listeners:
            listener.close()

    def _ask_to_stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        with self._ending, contextlib.suppress(OSError):  # the server may just be ending
            if self._stop_fd >= 0:
                os.write(self._stop_fd, b"x")

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        with self._ending:
            if self._master_pid:
                os.kill(self._master_pid, number)

    def _take_signals(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (*_STOP_SIGNALS, *_PASSED_ON):
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                taken = self._ask_to_stop if number in _STOP_SIGNALS else self._pass_on
                self._handlers[number] = signal.signal(number, taken)

    def _restore_signals(self) -> None:
        if threading.current_thread() is threading.main_thread():
            while self._handlers:
                number, handler = self._handlers.popitem()
                signal.signal(number, handler)


def _first_address(given: Any) -> tuple[str, int] | str:
    """Return the first of the addresses that `HTTPServer` was given."""
    if isinstance(given, str):
        return given
    return (given[0], given[1]) if isinstance(given[-1], int) else _first_address(given[0])
