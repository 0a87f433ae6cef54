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

from .builtin import register

__all__ = ["register"]
