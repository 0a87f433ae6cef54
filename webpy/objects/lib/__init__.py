"""What CherryPy's `lib` offers to applications: modules of the same names, each with what is documented of it."""

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
