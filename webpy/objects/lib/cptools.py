"""CherryPy's names of the smaller tools' functions, which pages may also call directly: see `webpy.objects.tools`."""

from __future__ import annotations

from ..tools.accept import accept
from ..tools.caching.autovary import MonitoredHeaderMap, autovary
from ..tools.caching.conditions import validate_etags, validate_since
from ..tools.content.flattening import flatten
from ..tools.fields import allow, ignore_headers, referer, response_headers
from ..tools.logs import log_hooks, log_request_headers, log_traceback
from ..tools.parameters import convert_params
from ..tools.urls import proxy, redirect, trailing_slash

__all__ = [
    "MonitoredHeaderMap",
    "accept",
    "allow",
    "autovary",
    "convert_params",
    "flatten",
    "ignore_headers",
    "log_hooks",
    "log_request_headers",
    "log_traceback",
    "proxy",
    "redirect",
    "referer",
    "response_headers",
    "trailing_slash",
    "validate_etags",
    "validate_since",
]
