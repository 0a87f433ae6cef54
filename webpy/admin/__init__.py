"""The admin process: status page, status.json, metrics, health, and the commands that need a token.

Owns how it is asked for: `sidecar` says what the supervisor is to run beside the workers. What it does is in the
modules of this package, which are loaded in that process and nowhere else: `webpy.serving` calls this in the master,
which is to load no HTTP.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ..supervisor import Sidecar, SidecarContext

if TYPE_CHECKING:
    from ..settings import Settings

__all__ = ["sidecar"]


def sidecar(settings: Settings) -> Sidecar:
    """The process that serves `settings.admin`; a reload starts it anew when the address or the token has changed."""

    def run(context: SidecarContext) -> None:
        from .process import run

        run(context, settings)

    token = settings.admin_token or ""
    return Sidecar(
        title="admin",
        binds=(settings.admin,),
        run=run,
        key=hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest() if token else "",
        scheme="http",
    )
