"""Owns what a supervisor supervises here: load the application and serve it.

`load` runs in the zygote of a generation, `run` in each worker forked from it, `lost` in the master.
"""

from __future__ import annotations

import gc
import logging
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..accesslog import AccessFormat, compile_format
from ..protocol import Limits
from ..routes import RouteTable, compile_routes
from ..supervisor import LoadError
from ..tls import PemFiles, make_context
from .accepting import Acceptor
from .clock import Clock
from .core import Core
from .delivery import Delivery
from .exchange import Exchange
from .housekeeping import Housekeeping
from .loop import Loop
from .plan import PEER_BYTES, Planner
from .reading import Reading

if TYPE_CHECKING:
    import ssl

    from ..atomic import ResourceLocks
    from ..settings import Resolved, Settings
    from ..supervisor import Context, Row

__all__ = ["Site", "WebApplication", "limits_of"]

_PYTHONS_THRESHOLD = 700  # objects made before the youngest are collected; an application that set another keeps it
_THRESHOLD = 10_000  # 700 are made by 30 requests, and the collections cost 1 to 3 µs a request


@dataclass(slots=True)
class Site:
    """What is served: routes, error routes, settings that came with them, what to call before workers are forked."""

    routes: Mapping[str, Any]
    error_routes: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    warm_up: Callable[[], object] | None = None


def limits_of(settings: Settings) -> Limits:
    """The protocol's limits as the settings have them."""
    return Limits(
        line_bytes=settings.max_line,
        head_bytes=settings.max_headers,
        fields=settings.max_fields,
        body_bytes=settings.max_body,
    )


class WebApplication:
    """A web application under a supervisor."""

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
        self._http_log = http_log
        self._access = self._access_format()
        self._routes: RouteTable | None = None
        self._tls: ssl.SSLContext | None = None
        self._pem_files = PemFiles(resolved.settings)

    def load(self) -> None:
        """Load the application, its routes and certificates (in the zygote)."""
        if self._own_log:
            _log_to_stderr(self._log, self._resolved.settings.log_level)
        site = self._find_site()
        try:
            if site.settings:
                self._resolved = self._resolved.with_keywords(site.settings)
                self._access = self._access_format()
            self._routes = compile_routes(site.routes, dict(site.error_routes))
            self._tls = make_context(self._resolved.settings, self._pem_files)
        except ValueError as error:  # settings, a route, a certificate: the text says which
            raise LoadError(str(error)) from error
        for complaint in filter(None, (route.complaint() for route in self._routes.routes)):
            self._log.warning("%s", complaint)
        if site.warm_up is not None:
            site.warm_up()

    def _access_format(self) -> AccessFormat | None:
        settings = self._resolved.settings
        if settings.access_log == "off" and self._http_log is None:
            return None
        return compile_format(settings.access_format)

    def run(self, context: Context) -> None:
        """Serve until the master says otherwise (in a worker)."""
        assert self._routes is not None
        gc.enable()
        if gc.get_threshold()[0] == _PYTHONS_THRESHOLD:
            gc.set_threshold(_THRESHOLD, *gc.get_threshold()[1:])
        settings = self._resolved.settings
        limits = limits_of(settings)
        access = self._access
        planner = Planner(self._routes, limits, access, self._locks)
        clock = Clock(access.stamp if access is not None else lambda _now: b"")
        core = Core(context, settings, limits, planner, clock, self._log, access, self._http_log)
        delivery = Delivery(core)
        exchange = Exchange(core, self._routes, delivery)
        reading = Reading(core, exchange, delivery)
        housekeeping = Housekeeping(core, reading, delivery, Acceptor(core, self._tls))
        loop = Loop(core, reading, exchange, delivery, housekeeping)
        housekeeping.start()
        housekeeping.acceptor.start()
        context.ready()
        loop.run()
        if not core.conns:  # every request has been answered, but a thread may not have come to say so on the board
            for line in core.row.lines:
                line.start[0] = 0.0

    def lost(self, text: bytes, started: float, row: Row) -> bytes:
        """The access log's record of a request that was running when its worker died (in the master)."""
        if self._access is None or self._http_log is not None:
            return b""
        said = text[:PEER_BYTES].rstrip() + b" " + text[PEER_BYTES:].rstrip()
        try:
            us = max(0, int((time.monotonic() - started) * 1e6))
        except (ValueError, OverflowError):  # no number: whatever stands on the board must do
            us = 0
        return self._access.lost(said, time.time(), us)


def _log_to_stderr(log: logging.Logger, level: str) -> None:
    """Have the logger write to standard error, which the supervisor takes into the error log."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter("%(asctime)s [%(process)d] [%(level)s] %(message)s", "%Y-%m-%d %H:%M:%S %z"))
    log.handlers[:] = [handler]
    log.setLevel(level.upper())
    log.propagate = False


class _Formatter(logging.Formatter):
    """Lines like those of the master."""

    def format(self, record: logging.LogRecord) -> str:
        record.level = record.levelname.lower()
        return super().format(record)
