"""The built-in tools of `webpy.objects`, as CherryPy documents them: `register` puts them into a toolbox.

| tool | |
|---|---|
| `sessions` | `session`, a mapping for each client, on all workers |
| `staticdir`, `staticfile` | files in front of the pages |
| `json_in`, `json_out` | JSON in and out |
| `encode` (on), `decode`, `gzip`, `flatten` | the body's text, encoding and pieces |
| `accept`, `autovary` | content negotiation |
| `auth_basic`, `auth_digest` | who asks |
| `caching`, `expires`, `etags` | what need not be made, or sent, again |
| `response_headers`, `ignore_headers`, `allow`, `referer` | header fields |
| `trailing_slash` (on), `redirect`, `err_redirect`, `proxy` | URLs |
| `log_tracebacks` (on), `log_headers` (on), `log_hooks` | the error log |
| `params` | parameters by the annotations of the page handler |

Each is on a page handler by its decorator, `@tools.json_out()`, or below a path by the configuration, `{"/api":
{"tools.json_out.on": True}}`; its keywords are the entries below its name. A module here has one tool, or a family, and
names what differs from CherryPy. Missing: `session_auth`, `xmlrpc`.
"""

from __future__ import annotations

from ..toolbox import ErrorTool, HandlerTool, Tool, Toolbox
from .accept import accept
from .autovary import autovary
from .basic import basic_auth
from .caching import CachingTool
from .conditions import validate_etags
from .digest import digest_auth
from .encoding import ResponseEncoder, decode
from .fields import allow, expires, ignore_headers, referer, response_headers
from .flattening import flatten
from .gzipping import gzip
from .jsontools import json_in, json_out
from .logs import log_hooks, log_request_headers, log_traceback
from .parameters import convert_params
from .sessions import SessionTool
from .static import staticdir, staticfile
from .urls import proxy, redirect, trailing_slash

__all__ = ["register"]


def register(toolbox: Toolbox) -> None:
    """Put the built-in tools into `toolbox`, each at its point and with its priority."""
    toolbox.allow = Tool("on_start_resource", allow)
    toolbox.response_headers = Tool("on_start_resource", response_headers)
    toolbox.accept = Tool("on_start_resource", accept)
    toolbox.redirect = Tool("on_start_resource", redirect)
    toolbox.autovary = Tool("on_start_resource", autovary, priority=0)
    toolbox.proxy = Tool("before_request_body", proxy, priority=30)
    toolbox.json_in = Tool("before_request_body", json_in, priority=30)
    toolbox.sessions = SessionTool()
    toolbox.decode = Tool("before_request_body", decode)
    toolbox.ignore_headers = Tool("before_request_body", ignore_headers)
    toolbox.referer = Tool("before_request_body", referer)
    toolbox.auth_basic = Tool("before_handler", basic_auth, priority=1)
    toolbox.auth_digest = Tool("before_handler", digest_auth, priority=1)
    toolbox.params = Tool("before_handler", convert_params, priority=15)
    toolbox.json_out = Tool("before_handler", json_out, priority=30)
    toolbox.staticdir = HandlerTool(staticdir)
    toolbox.staticfile = HandlerTool(staticfile)
    toolbox.trailing_slash = Tool("before_handler", trailing_slash, priority=60)
    toolbox.encode = Tool("before_handler", ResponseEncoder, priority=70)
    toolbox.caching = CachingTool()
    toolbox.expires = Tool("before_finalize", expires)
    toolbox.flatten = Tool("before_finalize", flatten)
    toolbox.etags = Tool("before_finalize", validate_etags, priority=75)
    toolbox.gzip = Tool("before_finalize", gzip, priority=80)
    toolbox.err_redirect = ErrorTool(redirect)
    toolbox.log_tracebacks = Tool("before_error_response", log_traceback)
    toolbox.log_headers = Tool("before_error_response", log_request_headers)
    toolbox.log_hooks = Tool("on_end_request", log_hooks, priority=100)
