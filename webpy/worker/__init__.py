"""The worker: sockets, threads and time around the framework.

application is the way in; parts and worker list what a worker is made of. connections/ has what is between a listener
and the first byte, and what is kept of a connection; http1/ the protocol; exchanges/ requests and their answers;
threads/ who leads and who runs handlers; log/ the error log. loop is what the leading thread does; housekeeping,
lifecycle and draining see to time and to the worker's end.
"""

from __future__ import annotations

from .application import Site, WebApplication

__all__ = ["Site", "WebApplication"]
