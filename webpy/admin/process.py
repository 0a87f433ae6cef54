"""The life of the admin process: from its sidecar's context to the last answer.

Owns what it is made of: the link to the master, the sampler, and a web application of our own with the settings it is
served with. Runs in the admin process, nowhere else.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from ..atomic import ResourceLocks
from ..settings import Resolved
from ..supervisor.client import ControlClient
from ..worker import Site, WebApplication
from .handlers import Desk, error_routes, is_local, routes
from .history import History, Sampler
from .link import Link
from .page import load_page

if TYPE_CHECKING:
    from ..settings import Settings
    from ..supervisor.sidecar import SidecarContext

__all__ = ["run"]

_DRAIN_S = 1.0  # its workers have ended then, and a scraper's idle connection is nothing for the master to wait for


def run(context: SidecarContext, settings: Settings) -> None:
    """Serve the admin address until the master says otherwise."""
    link = Link(ControlClient(context.control))
    history = History()
    local = not settings.admin.startswith(("unix:", "fd:")) and is_local(settings.admin)
    desk = Desk(link, history, load_page(), settings.admin_token or "", local)
    site = Site(routes(desk), error_routes(), own=True)
    own = Resolved(_own(settings), {}, {}, (), None, Path())
    application = WebApplication(own, lambda: site, ResourceLocks())
    application.load()
    sampler = Sampler(link, history)
    sampler.start()
    try:
        application.run(context)
    finally:
        sampler.stop()


def _own(settings: Settings) -> Settings:
    """The settings of this process: a few short requests in plain text, whatever the application's are."""
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
        certfile=None,
        keyfile=None,
        client_ca=None,
        client_cert="none",
        access_log="off",
        forwarded_allow_ips=(),
        proxy_protocol=False,
    )
