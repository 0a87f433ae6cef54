"""The framework: handlers, requests, responses, headers, errors, routes, and how a result becomes an answer.

Knows no sockets, clocks or processes. Applications import what they use from `webpy`, and the types `Body` and `Result`
from here.
"""

from __future__ import annotations

from .response import Body, Result

__all__ = ["Body", "Result"]
