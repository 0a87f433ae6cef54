"""The tools that write to the error log: `log_tracebacks` and `log_headers` (on by default), `log_hooks`."""

from __future__ import annotations

import logging

from ..process.logs import log
from ..process.serving import request
from ..tooling.hooks import POINTS

__all__ = ["log_hooks", "log_request_headers", "log_traceback"]

_SECRET = ("authorization", "proxy-authorization", "cookie")


def log_traceback(severity: int = logging.ERROR, debug: bool = False) -> None:
    """Log the exception being handled, with its traceback."""
    log("", "HTTP", severity=severity, traceback=True)


def log_request_headers(debug: bool = False) -> None:
    """Log the request's header fields; only the names of those that hold passwords or session ids."""
    fields = [
        f"  {name}: {'(not logged)' if name.lower() in _SECRET else value}" for name, value in request.header_list
    ]
    log("\nRequest Headers:\n" + "\n".join(fields), "HTTP")


def log_hooks(debug: bool = False) -> None:
    """Log the request's hooks, point by point."""
    lines = []
    for point in dict.fromkeys([*POINTS, *request.hooks]):
        lines.append(f"  {point}:")
        lines += [f"    {hook!r}" for hook in sorted(request.hooks.get(point, []))]
    log(f"\nRequest Hooks for {request.path_info}:\n" + "\n".join(lines), "HTTP")
