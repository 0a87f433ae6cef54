"""The admin process: status page, status.json, metrics, health checks, and the commands that need a token.

`sidecar` describes the process that the supervisor runs beside the workers. Its work is done by the modules of this
package, which are imported in that process only: `webpy.serving` calls `sidecar` in the master, which must not load
HTTP.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ..supervisor import Sidecar, SidecarContext

if TYPE_CHECKING:
    from ..settings import Settings

__all__ = ["sidecar"]


def sidecar(settings: Settings) -> Sidecar:
    """Return the sidecar that serves `settings.admin`. A reload restarts it if the address or the token has changed."""

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
