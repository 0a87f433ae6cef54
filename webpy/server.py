"""Owns the faces: `serve`, which the command line calls, and `HTTPServer`, for programs that serve themselves.

Here settings, the application and the supervisor meet. `serve` and `HTTPServer.run` make their own process the master;
`HTTPServer.start` forks one, and the program goes on.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn

from . import statedir
from .framework.atomic import ResourceLocks
from .framework.errors import HTTPErrorHandler
from .framework.routes import compile_routes
from .settings import Resolved, Settings, find_config, resolve
from .supervisor import Config, LoadError, Sidecar, Supervisor
from .supervisor.system.identity import Identity
from .supervisor.system.listeners import Listener, open_listeners
from .supervisor.upgrade.handoff import kept_descriptor
from .target.target import Target, TargetError, load_target, loading
from .worker import Site, WebApplication

__all__ = ["HTTPServer", "serve", "serve_site"]

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_PASSED_ON = (signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU)


def serve(target: str, resolve_again: Callable[[], Resolved], kind: str | None = None) -> int:
    """Serve TARGET until stopped, this process being the master; gives the exit status (INTERFACE.md).

    target, kind: see `target.load_target`; resolve_again: the settings of now, asked for at the start and at reloads.
    """

    def find_site() -> Site:
        with _told():
            found = load_target(target, kind)
        return Site(found.routes, found.error_routes, found.settings, lambda: warm_up(found))

    def warm_up(found: Target) -> None:
        with _told():
            found.warm_up()

    return serve_site(find_site, resolve_again, target)


def serve_site(find_site: Callable[[], Site], resolve_again: Callable[[], Resolved], target: str | None = None) -> int:
    """Serve a site that is no TARGET, as `serve` does; find_site: called in the zygote, raises LoadError; target: what
    it is, in words."""
    locks = _kept_locks()

    def configure() -> tuple[Config, WebApplication]:
        resolved = resolve_again()
        config = _config_of(resolved, target)
        _prepare_state(config)
        return config, WebApplication(resolved, find_site, locks)

    return _supervise(configure, locks)


_LOCKS = "locks"


def _kept_locks() -> ResourceLocks:
    """The locks of the workers that live, if this program takes over from one before it in an upgrade; or new ones."""
    return ResourceLocks(fd=kept_descriptor(_LOCKS))


def _supervise(configure: Callable[[], tuple[Config, WebApplication]], locks: ResourceLocks) -> int:
    """Be the master, of a program that can be upgraded in place; gives the exit status."""
    return Supervisor(configure, program=sys.orig_argv, keeps={_LOCKS: locks.fileno()}).run()


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What is wrong with a TARGET has been put in words already."""
    try:
        yield
    except TargetError as error:
        raise LoadError(str(error)) from error


_HEARTBEAT_S = 30.0  # that a worker's loop may stand still, if requests may take as long
_LEAST_HEARTBEAT_S = 2.0  # an idle worker's loop sleeps for 1 s


def _config_of(resolved: Resolved, target: str | None = None) -> Config:
    """The supervisor's settings; target: what is served, which `--reload` watches beside the current folder."""
    settings = resolved.settings
    return Config(
        binds=settings.bind,
        backlog=settings.backlog,
        workers=settings.worker_count(),
        threads=settings.threads,
        boot_timeout_s=settings.boot_timeout,
        drain_timeout_s=settings.drain_timeout,
        shutdown_delay_s=settings.shutdown_delay,
        access_log=settings.access_log,
        log_full=settings.log_full,
        error_log=settings.error_log,
        error_format=settings.error_format,
        log_level=settings.log_level,
        pidfile=settings.pidfile,
        user=settings.user,
        group=settings.group,
        umask=settings.umask,
        chdir=settings.chdir,
        name="webpy",
        scheme=_scheme(settings),
        request_timeout_s=settings.request_timeout,
        slow_request_s=settings.slow_request,
        heartbeat_timeout_s=max(_LEAST_HEARTBEAT_S, min(settings.request_timeout or _HEARTBEAT_S, _HEARTBEAT_S)),
        max_requests=settings.max_requests,
        max_requests_jitter=settings.max_requests_jitter,
        max_lifetime_s=settings.max_lifetime,
        max_memory_bytes=settings.max_memory,
        control=settings.control or "auto",
        target=target or os.path.basename(sys.argv[0]),
        awaits_fix=settings.reload,
        sidecars=tuple(_sidecars(resolved, target)),
    )


def _prepare_state(config: Config) -> None:
    """Make what workers that become another user keep theirs in, while this process (the master) may still do so."""
    identity = Identity.of(config)
    if identity.uid is not None and os.geteuid() == 0 and identity.uid != 0:
        statedir.set_pidfile(config.pidfile)
        with contextlib.suppress(OSError):  # a store that wants it says so, and what was tried, as it is loaded
            statedir.prepare_for_user(identity.uid, identity.gid, config.chdir)


def _sidecars(resolved: Resolved, target: str | None) -> Iterator[Sidecar]:
    settings = resolved.settings
    if settings.admin != "off":
        from .admin import sidecar as admin

        yield admin(settings)
    if settings.reload:
        from .watching import sidecar as watcher

        yield watcher(resolved, target)


def _scheme(settings: Settings) -> str:
    return "http" if settings.certfile is None else "https"


class HTTPServer:
    """Handlers on an address, served by every core.

    address: (host, port), or a str as `--bind` takes it; routes: regex to handler; error_routes: regex on the status,
    or the status, to `HTTPErrorHandler`; log: a logger in place of the error log's (in workers); http_log: a logger in
    place of the access log; settings: any option of `webpy serve` by its name with "_". Environment variables and
    webpy.toml win over these.
    Raises SettingsError (a ValueError) for what is wrong with them, ValueError for bad routes.

        httpd = webpy.HTTPServer(("localhost", 8080), routes)
        httpd.start()      # returns; the program stays up until TERM or INT

    A file that does this can be given to `webpy serve` as well: it is then served by that, and `start` does nothing.
    """

    def __init__(
        self,
        address: tuple[str, int] | str,
        routes: Mapping[str, Any],  # Any: `{"/": Handler, **webpy.file.new("docs")}` is a dict of objects to mypy
        error_routes: Mapping[Any, Any] | None = None,
        keyfile: str | None = None,
        certfile: str | None = None,
        *,
        log: logging.Logger | None = None,
        http_log: logging.Logger | None = None,
        **settings: Any,
    ) -> None:
        self.routes = routes
        self.error_routes: dict[Any, type[HTTPErrorHandler]] = dict(error_routes or {})
        self.settings: dict[str, Any] = {"bind": address, "keyfile": keyfile, "certfile": certfile, **settings}
        self._log = log
        self._http_log = http_log
        compile_routes(routes, self.error_routes)
        self._resolve()
        self._listeners: list[Listener] = []
        self._master_pid = 0
        self._stop_fd = -1
        self._ending = threading.RLock()  # for the two above; a signal may come while its thread holds it
        self._waiter: threading.Thread | None = None
        self._handlers: dict[signal.Signals, Any] = {}

    @property
    def address(self) -> tuple[str, int] | str:
        """Where it listens: host and port, or "unix:PATH"; once started, with the port that port 0 became."""
        if not self._listeners:
            given = self.settings["bind"]
            return (given[0], given[1]) if isinstance(given, (tuple, list)) else str(given)
        where = self._listeners[0].address
        host, colon, port = where.rpartition(":")
        return (host.strip("[]"), int(port)) if colon and port.isdigit() else where

    def is_running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._waiter is not None and self._waiter.is_alive()

    def run(self) -> int:
        """Serve in the foreground until stopped; gives the exit status."""
        if loading():
            return 0
        locks = _kept_locks()
        return _supervise(self._configure(locks), locks)

    def start(self) -> None:
        """Start to serve and return. Raises OSError when the address cannot be bound, RuntimeError if started already.

        TERM and INT to this process then stop the server, and the other signals of INTERFACE.md are passed on, unless
        the program handles them itself. The program stays up until the server has stopped.
        """
        if loading():
            return  # being served by `webpy serve`, which wants the routes only
        if self.is_running():
            raise RuntimeError("the server is started already")
        resolved = self._resolve()
        config = _config_of(resolved)
        self._listeners = open_listeners(config.binds, config.backlog, Identity.of(config))
        stop_reader, self._stop_fd = os.pipe()
        configure = self._configure(ResourceLocks())
        # One that comes before `_take_signals` waits for it: it would end this program, and the server go on.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {*_STOP_SIGNALS, *_PASSED_ON})
        try:
            pid = os.fork()
            if pid == 0:
                for number in _PASSED_ON:  # until the supervisor takes them: there is nothing to reload yet
                    signal.signal(number, signal.SIG_IGN)
                signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
                self._be_the_master(configure, stop_reader)
            os.close(stop_reader)
            for listener in self._listeners:
                listener.socket.close()
            self._master_pid = pid
            self._waiter = threading.Thread(target=self._wait, args=(pid,), name="webpy")
            self._waiter.start()
            self._take_signals()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)

    def _be_the_master(self, configure: Callable[[], tuple[Config, WebApplication]], stop_reader: int) -> NoReturn:
        """Serve until stopped, and end this process (the fork)."""
        status = 1
        try:
            os.close(self._stop_fd)
            os.setsid()  # the terminal's signals are for the program, which passes them on
            sockets = [listener.socket for listener in self._listeners]
            theirs = any(listener.theirs for listener in self._listeners)  # fd:N, which the program may go on with
            status = Supervisor(configure).run(sockets, stop_fd=stop_reader, theirs=theirs)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)

    def stop(self, timeout: float | None = None) -> None:
        """Stop gracefully, and wait for the end, at most `timeout` seconds."""
        self._ask_to_stop()
        self.join(timeout)

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended, at most `timeout` seconds."""
        if self._waiter is not None:
            self._waiter.join(timeout)

    def close(self) -> None:
        """Stop gracefully and give everything back."""
        self.stop()
        self._give_signals_back()

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
            config = _config_of(resolved)
            _prepare_state(config)
            site = Site(self.routes, self.error_routes)
            return config, WebApplication(resolved, lambda: site, locks, self._log, self._http_log)

        return configure

    def _wait(self, pid: int) -> None:
        """Wait for the master (a thread of the program, which keeps the program up)."""
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with self._ending:  # until it has been waited for, its pid and the descriptor are nobody else's
            os.waitpid(pid, 0)
            self._master_pid = 0
            os.close(self._stop_fd)
            self._stop_fd = -1
        for listener in self._listeners:
            listener.close()

    def _ask_to_stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        with self._ending, contextlib.suppress(OSError):  # it may just be ending
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

    def _give_signals_back(self) -> None:
        if threading.current_thread() is threading.main_thread():
            while self._handlers:
                number, handler = self._handlers.popitem()
                signal.signal(number, handler)


