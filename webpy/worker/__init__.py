"""The worker: sockets, threads and time around the framework.

accepting (listeners) -> reading (requests) -> loop (who leads, quick handlers) -> exchange (handlers, answers, log)
-> output; connection, plan, intake, pace, pool, clock and core are what these share, housekeeping the rest of the time,
application the way in.
"""

from __future__ import annotations

from .application import Site, WebApplication

__all__ = ["Site", "WebApplication"]
