"""The main function of the admin process.

Puts its parts together: the link to the master, the sampler, and a web application of webpy's own, with its own
settings. Runs in the admin process only.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import socket
import stat
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from ..framework.atomic import ResourceLocks
from ..settings import Resolved
from ..supervisor.control.client import ControlClient
from ..worker import Site, WebApplication
from .handlers import AdminContext, error_routes, is_local, routes
from .history import History, Sampler
from .link import Link
from .page import load_page

if TYPE_CHECKING:
    from ..settings import Settings
    from ..supervisor import SidecarContext

__all__ = ["run"]

_DRAIN_S = 1.0  # when the workers have ended, the master must not wait for a scraper's idle connection


def run(context: SidecarContext, settings: Settings) -> None:
    """Serve the admin address until the master stops this process."""
    link = Link(ControlClient(context.control))
    history = History()
    local = not settings.admin.startswith(("unix:", "fd:")) and is_local(settings.admin)
    open_to_all = all(is_private(each) for each in context.listeners)
    admin = AdminContext(link, history, load_page(), settings.admin_token or "", local, open_to_all)
    site = Site(routes(admin), error_routes(), own=True)
    own = Resolved(_admin_settings(settings), {}, {}, (), None, Path())
    application = WebApplication(own, lambda: site, ResourceLocks())
    application.load()
    if not open_to_all:
        _log_who_may_read(settings)
    sampler = Sampler(link, history)
    sampler.start()
    try:
        application.run(context)
    finally:
        sampler.stop()


def is_private(listener: socket.socket) -> bool:
    """Return True if only this machine can connect: a loopback address, or a unix socket that not all users may use."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        try:
            return not os.stat(name).st_mode & stat.S_IWOTH
        except (OSError, ValueError):
            return False
    try:
        address = ip_address(name[0].partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _log_who_may_read(settings: Settings) -> None:
    log, where = logging.getLogger("webpy"), f"admin at {settings.admin} can be reached from other machines"
    if settings.admin_token:
        log.info("%s: reading needs --admin-token too, except for /healthz and /readyz", where)
    else:
        log.warning("%s and has no --admin-token: all but /healthz and /readyz answers 403", where)


def _admin_settings(settings: Settings) -> Settings:
    """Return the settings of this process, for a few short requests without TLS, whatever the application's are."""
    return dataclasses.replace(
        settings,
        bind=(settings.admin,),
        threads=4,
        keepalive=30.0,
        header_timeout=5.0,
        body_timeout=5.0,
        write_timeout=15.0,
        request_timeout=0.0,
        slow_request=0.0,
        drain_timeout=min(settings.drain_timeout, _DRAIN_S),
        max_line=8 << 10,
        max_headers=32 << 10,
        max_fields=100,
        max_body=64 << 10,
        max_connections="auto",
        max_connections_per_client=0,
        max_request_rate=0,
        certfile=None,
        keyfile=None,
        acme=(),
        client_ca=None,
        client_cert="none",
        https_redirect=False,
        hsts=None,
        access_log="off",
        forwarded_allow_ips=(),
        proxy_protocol=False,
    )
