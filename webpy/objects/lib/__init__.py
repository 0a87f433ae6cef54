"""CherryPy's `lib`: modules of the same names, with the functions and classes that CherryPy documents."""

from . import auth_basic, auth_digest, caching, cptools, encoding, httputil, jsontools, sessions, static

__all__ = [
    "auth_basic",
    "auth_digest",
    "caching",
    "cptools",
    "encoding",
    "httputil",
    "jsontools",
    "sessions",
    "static",
]
