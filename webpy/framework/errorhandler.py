"""Owns `HTTPErrorHandler`, which renders an `HTTPError` as an answer, and the table of error routes. No sockets."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .answer import NO_SNIFFING
from .response import Answering

if TYPE_CHECKING:
    from .errors import HTTPError
    from .groups import Groups
    from .request import Request
    from .response import Body, Result

__all__ = ["HTTPErrorHandler", "compile_error_routes"]


class HTTPErrorHandler(Answering):
    """Renders an `HTTPError` as an answer. `error_routes` maps a regex on the status code to a subclass.

    A subclass overrides `format`, which may use `error`, `request`, `response` and `groups` (what the regex captured).
    """

    def __init__(self, request: Request, groups: Groups, error: HTTPError) -> None:
        self.request = request
        self.groups = groups
        self.error = error

    def format(self) -> Body:
        """Return the body: the error's message, a dict or a list as JSON; without one, status and reason phrase."""
        message = self.error.message
        if isinstance(message, (Mapping, list)):
            if "Content-Type" not in self.response.headers:
                self.response.headers.set("Content-Type", "application/json")
                self.response.headers.set(*NO_SNIFFING)
            return json.dumps(dict(message) if isinstance(message, Mapping) else message, allow_nan=False).encode()
        if message is not None:
            return message
        return f"{self.error.status} - {self.error.status_message}\n"

    def respond(self) -> Result:
        """Set the error's headers on the response, and return status, reason phrase and body."""
        if self.error.headers is not None:
            self.response.headers = self.error.headers.copy()
        return self.error.status, self.error.status_message, self.format()


def compile_error_routes(
    error_routes: Mapping[Any, type[HTTPErrorHandler]] | None,
) -> list[tuple[re.Pattern[str], type[HTTPErrorHandler]]]:
    """Compile error routes, whose keys are regexes or numbers. Raises ValueError that names the bad one."""
    compiled = []
    for regex, handler in (error_routes or {}).items():
        if not isinstance(regex, (str, int, re.Pattern)):
            raise ValueError(f"error route {regex!r}: wanted a regular expression on the status, or a number")
        try:
            pattern = re.compile(str(regex) if isinstance(regex, int) else regex)
        except re.error as error:
            raise ValueError(f"error route {regex!r}: not a regular expression: {error}") from None
        if not (isinstance(handler, type) and issubclass(handler, HTTPErrorHandler)):
            raise ValueError(f"error route {regex!r}: got {handler!r}, wanted a subclass of HTTPErrorHandler")
        compiled.append((pattern, handler))
    return compiled
