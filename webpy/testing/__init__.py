"""Tests of applications: a client in the process, a real server for a `with` block, and pytest fixtures of both.

    from webpy.testing import Client

    def test_hello():
        client = Client("hello.py")
        answer = client.get("/")
        assert (answer.status, answer.text) == (200, "Hello, World!")

`Client` serves TARGET in the test's process, with the server's own parser, routes, mix-ins, error pages and serializer:
what it sees is what the network would carry. WebSocket is not in this version.
"""

from __future__ import annotations

from .answer import Answer
from .client import Client
from .cookies import Cookies
from .errors import BrokenAnswer, StartError, TooManyRedirects
from .outgoing import RequestOptions

__all__ = ["Answer", "BrokenAnswer", "Client", "Cookies", "RequestOptions", "StartError", "TooManyRedirects"]
