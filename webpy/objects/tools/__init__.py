"""The built-in tools of `webpy.objects`, as CherryPy documents them: `register` puts them into a toolbox.

| tool | |
|---|---|
| `sessions` | `session`, a mapping for each client, on all workers |
| `staticdir`, `staticfile` | files in front of the pages |
| `json_in`, `json_out` | JSON in and out |
| `encode` (on), `decode`, `gzip`, `flatten` | the body's text, encoding and pieces |
| `accept`, `autovary` | content negotiation |
| `auth_basic`, `auth_digest` | logins |
| `caching`, `expires`, `etags` | what need not be made, or sent, again |
| `response_headers`, `ignore_headers`, `allow`, `referer` | header fields |
| `trailing_slash` (on), `redirect`, `err_redirect`, `proxy` | URLs |
| `log_tracebacks` (on), `log_headers` (on), `log_hooks` | the error log |
| `params` | parameters by the annotations of the page handler |

A tool is turned on for a page handler by its decorator, `@tools.json_out()`, or below a path by the configuration,
`{"/api": {"tools.json_out.on": True}}`; the entries below its name are its keywords. Each module has one tool, or a few
that belong together, and says how they differ from CherryPy's. Missing: `session_auth`, `xmlrpc`.
"""

from __future__ import annotations

from .. import tooling as kinds_of_tools
from . import accept, basic, digest, fields, logs, parameters, urls
from .caching import autovary, conditions
from .caching import tool as caching
from .content import encoding, flattening, gzipping, jsontools, static
from .sessions import tool as sessions

__all__ = ["register"]


def register(toolbox: kinds_of_tools.Toolbox) -> None:
    """Add the built-in tools to `toolbox`, each at its point and with its priority."""
    tool = kinds_of_tools.Tool
    toolbox.allow = tool("on_start_resource", fields.allow)
    toolbox.response_headers = tool("on_start_resource", fields.response_headers)
    toolbox.accept = tool("on_start_resource", accept.accept)
    toolbox.redirect = tool("on_start_resource", urls.redirect)
    toolbox.autovary = tool("on_start_resource", autovary.autovary, priority=0)
    toolbox.proxy = tool("before_request_body", urls.proxy, priority=30)
    toolbox.json_in = tool("before_request_body", jsontools.json_in, priority=30)
    toolbox.sessions = sessions.SessionTool()
    toolbox.decode = tool("before_request_body", encoding.decode)
    toolbox.ignore_headers = tool("before_request_body", fields.ignore_headers)
    toolbox.referer = tool("before_request_body", fields.referer)
    toolbox.auth_basic = tool("before_handler", basic.basic_auth, priority=1)
    toolbox.auth_digest = tool("before_handler", digest.digest_auth, priority=1)
    toolbox.params = tool("before_handler", parameters.convert_params, priority=15)
    toolbox.json_out = tool("before_handler", jsontools.json_out, priority=30)
    toolbox.staticdir = kinds_of_tools.HandlerTool(static.staticdir)
    toolbox.staticfile = kinds_of_tools.HandlerTool(static.staticfile)
    toolbox.trailing_slash = tool("before_handler", urls.trailing_slash, priority=60)
    toolbox.encode = tool("before_handler", encoding.ResponseEncoder, priority=70)
    toolbox.caching = caching.CachingTool()
    toolbox.expires = tool("before_finalize", fields.expires)
    toolbox.flatten = tool("before_finalize", flattening.flatten)
    toolbox.etags = tool("before_finalize", conditions.validate_etags, priority=75)
    toolbox.gzip = tool("before_finalize", gzipping.gzip, priority=80)
    toolbox.err_redirect = kinds_of_tools.ErrorTool(urls.redirect)
    toolbox.log_tracebacks = tool("before_error_response", logs.log_traceback)
    toolbox.log_headers = tool("before_error_response", logs.log_request_headers)
    toolbox.log_hooks = tool("on_end_request", logs.log_hooks, priority=100)
