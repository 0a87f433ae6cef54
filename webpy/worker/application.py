"""Owns what a supervisor supervises here: load the application and serve it.

`load` runs in the zygote of a generation, `run` in each worker forked from it, `lost` in the master.
"""

from __future__ import annotations

import gc
import logging
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .. import statedir
from ..accesslog import AccessFormat, compile_format
from ..atfork import AtFork
from ..framework.routing.routes import RouteTable, compile_routes
from ..protocol import Limits
from ..singleworker import refusal, set_worker_count, single_worker_names
from ..supervisor import LoadError, open_files
from ..tls import Certificates, SiteCertificates, Source, tls_settings
from .connections.accepting import Acceptor
from .connections.listener import Listener
from .connections.room import room_for
from .exchanges.clock import Clock
from .exchanges.forwarding import forwarding_fields
from .exchanges.plan import PEER_BYTES, Planner
from .housekeeping import Housekeeping
from .log.errorlog import ErrorLog
from .log.logs import log_applications_records, log_own_records
from .loop import Loop
from .worker import Worker

if TYPE_CHECKING:
    import socket

    from ..framework.atomic import ResourceLocks
    from ..framework.errorhandler import HTTPErrorHandler
    from ..framework.request import Request
    from ..settings import Resolved, Settings
    from ..supervisor import Context, Row

__all__ = ["Site", "WebApplication", "limits_of"]

_PYTHONS_THRESHOLD = 700  # objects made before the youngest are collected; an application that set another keeps it
_THRESHOLD = 10_000  # 700 are made by 30 requests, and the collections cost 1 to 3 µs a request


@dataclass(slots=True)
class Site:
    """What is served: routes, error routes, settings that came with them, what to call before workers are forked, and
    the mix-ins that stand before every answer.

    own: it is a part of the server, of whose limits the log says nothing.
    """

    routes: Mapping[Any, Any]
    error_routes: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    warm_up: Callable[[], object] | None = None
    own: bool = False
    mixins: Any = ()


def limits_of(settings: Settings) -> Limits:
    """Return the protocol's limits as the settings have them."""
    return Limits(
        line_bytes=settings.max_line,
        head_bytes=settings.max_headers,
        fields=settings.max_fields,
        body_bytes=settings.max_body,
    )


class _LeaveInChild(AtFork):
    """Closes, in a process that the application forks, the copies of the worker's descriptors."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        super().__init__()

    def after_fork_in_child(self) -> None:
        """Close them: a connection would not end with its answer as long as another process has it open."""
        self._worker.leave()


class WebApplication:
    """A web application under a supervisor."""

    #: `Failures.explain` of each worker
    explain: Callable[[Request, BaseException], HTTPErrorHandler | None] | None = None

    def __init__(
        self,
        resolved: Resolved,
        find_site: Callable[[], Site],
        locks: ResourceLocks,
        log: logging.Logger | None = None,
        http_log: logging.Logger | None = None,
    ) -> None:
        """find_site: called in the zygote, loads the application; locks: the same for every generation."""
        self._resolved = resolved
        self._find_site = find_site
        self._locks = locks
        self._own_log = log is None
        self._log = log or logging.getLogger("webpy")
        self._notes = ErrorLog(self._log)
        self._http_log = http_log
        self._access = self.access_format(resolved)
        self._routes: RouteTable | None = None
        self._wrap: Callable[[RouteTable], RouteTable] | None = None
        self.renewable: Certificates | None = None
        if resolved.settings.certfile is not None:
            self.renewable = Certificates(resolved.settings, resolved.settings.chdir or resolved.base)
        self._workers = resolved.settings.worker_count()
        self.alone = ""
        self._leaving: AtFork | None = None

    def add_certificate(self, source: Source, wrap: Callable[[RouteTable], RouteTable]) -> None:
        """Use the certificate of `source` beside those of the settings, and the routes that `wrap` makes of the
        application's (in the master, before the first fork)."""
        settings = self._resolved.settings
        self.renewable = Certificates(settings, settings.chdir or self._resolved.base, source)
        self._wrap = wrap

    def load(self) -> None:
        """Load the application, its routes and certificates (in the zygote)."""
        self.direct_logs()
        try:
            tempfile.gettempdir()  # finds out by writing, which fails when the disk is full by then
        except OSError as error:
            self._notes.warning("long bodies and uploads will be answered with 503: %s", error.strerror)
        resolved = self._resolved
        if resolved.file is not None:
            statedir.register_private(resolved.file, "settings")
        pidfile = resolved.settings.pidfile
        statedir.set_pidfile(None if pidfile is None else os.path.join(resolved.base, pidfile))
        site = self._find_site()
        self._direct_own_log()
        try:
            if site.settings:
                self._take_keywords(site.settings)
            self._routes = compile_routes(site.routes, dict(site.error_routes), site.mixins)
            if self._wrap is not None:
                self._routes = self._wrap(self._routes)
            if self.renewable is not None:
                self.renewable.load()
        except ValueError as error:  # settings, a route, a mix-in, a certificate: the text says which
            raise LoadError(str(error)) from error
        for complaint in filter(None, (route.complaint() for route in self._routes.routes)):
            self._notes.warning("%s", complaint)
        if not site.own:
            count = room_for(self._resolved.settings)
            self._notes.info("at most %d connections a worker; its limit of open files is %d", count, open_files())
        if site.warm_up is not None:
            site.warm_up()
        for line in statedir.unwritable_paths():
            self._notes.warning("%s", line)
        settings = resolved.settings
        if settings.user is not None and settings.control != "off":  # or workers could have root's master replaced
            self._notes.info("webpy ctl is for the user that started this, not for %s", settings.user)
        if names := single_worker_names():
            self.alone = refusal(names)
            if self._workers > 1:
                raise LoadError(f"{self._workers} workers: {self.alone}")

    def _take_keywords(self, keywords: Mapping[str, Any]) -> None:
        """Use the settings that came with the site."""
        before = self._resolved.settings
        self._resolved = self._resolved.with_keywords(keywords)
        self._access = self.access_format(self._resolved)
        settings = self._resolved.settings
        if settings.acme != before.acme:
            wanted = "the master orders certificates, and does not load the application: wanted --acme or webpy.toml"
            raise ValueError(f"{self._resolved.labels['acme']}: {wanted}")
        if settings.certfile is not None and tls_settings(settings) != tls_settings(before):
            folder = settings.chdir or self._resolved.base
            self.renewable = SiteCertificates(settings, folder, self.renewable)

    def direct_logs(self) -> None:
        """Have Python's logging go to the error log, before the application is loaded."""
        log_applications_records(self._resolved.settings.log_level)
        self._direct_own_log()

    def _direct_own_log(self) -> None:
        if self._own_log:
            log_own_records(self._log, self._resolved.settings.log_level)

    def access_format(self, resolved: Resolved) -> AccessFormat | None:
        """Return the format of the access log, None if there is none (in the master and in the zygote)."""
        settings = resolved.settings
        if settings.access_log == "off" and self._http_log is None:
            return None
        return compile_format(settings.access_format)

    def run(self, context: Context) -> None:
        """Serve until the master says otherwise (in a worker)."""
        set_worker_count(self._workers)
        gc.enable()
        if gc.get_threshold()[0] == _PYTHONS_THRESHOLD:
            gc.set_threshold(_THRESHOLD, *gc.get_threshold()[1:])
        worker, loop = self.assemble(context)
        context.ready()
        loop.run()
        if not worker.table.by_fd:  # all requests have been answered, but a thread may not have come to say so
            for activity in worker.row.activities:
                activity.start[0] = 0.0

    def _taking(self, listeners: list[Listener]) -> Callable[[bytes], None] | None:
        """Return what has this worker use new certificates; None if there are none."""
        certificates = self.renewable
        if certificates is None:
            return None

        def take(content: bytes) -> None:
            certificates.take(content)
            for listener in listeners:
                if listener.context is not None:
                    listener.context = certificates.context

        return take

    def assemble(self, context: Context) -> tuple[Worker, Loop]:
        """Return a worker that accepts connections, and the loop that serves them once it runs."""
        assert self._routes is not None
        settings, access = self._resolved.settings, self._access
        planner = Planner(self._routes, limits_of(settings), access, self._locks, forwarding_fields(settings))
        clock = Clock(access.stamp if access is not None else lambda _now: b"", settings.hsts)
        worker = Worker(context, settings, planner, clock, self._log)
        worker.recorder.write_to(access, self._http_log)
        worker.failures.explain = self.explain
        self._leaving = _LeaveInChild(worker)
        listeners = [self._listener(*each) for each in zip(context.listeners, context.schemes, strict=True)]
        worker.schemes.redirect_to(listeners)
        context.renew = self._taking(listeners)
        housekeeping = Housekeeping(worker, Acceptor(worker, listeners))
        loop = Loop(worker, housekeeping)
        housekeeping.start()
        housekeeping.acceptor.start()
        return worker, loop

    def _listener(self, sock: socket.socket, scheme: str) -> Listener:
        """Return a listener with what its connections need; scheme: "" for the usual one."""
        if (scheme or self._resolved.settings.usual_scheme) == "http":
            return Listener(sock)
        if self.renewable is None:
            raise LoadError(f"no certificate for the listener {sock.getsockname()}")
        return Listener(sock, self.renewable.context)

    def lost(self, text: bytes, started: float, row: Row) -> bytes:
        """Return the access log's record of a request that was running when its worker died (in the master)."""
        if self._access is None or self._http_log is not None:
            return b""
        said = text[:PEER_BYTES].rstrip() + b" " + text[PEER_BYTES:].rstrip()
        try:
            us = max(0, int((time.monotonic() - started) * 1e6))
        except (ValueError, OverflowError):  # no number: whatever stands on the scoreboard must do
            us = 0
        return self._access.lost(said, time.time(), us)
