"""The worker: sockets, threads and time around the framework.

application is the way in, and worker lists the parts. A request goes through listener, accepting, transport, loop,
http1 and reading (or another protocol), plan, dispatcher and pool, exchange, serializer, delivery and recorder. lead
decides which thread leads the loop, pace which thread runs a handler. reactor, table and chores serve all of these;
housekeeping and lifecycle see to time, and to the worker's end.
"""

from __future__ import annotations

from .application import Site, WebApplication

__all__ = ["Site", "WebApplication"]
