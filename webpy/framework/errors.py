"""Owns `HTTPError`, the exception that becomes an answer (`errorhandler` renders it). No sockets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..protocol import REASONS
from .headers import HTTPHeaders

if TYPE_CHECKING:
    from .response import Body

__all__ = ["HTTPError", "Unavailable"]


class HTTPError(Exception):
    """Raise it in a handler to end the request with an error answer.

    status: 200 to 599 (RFC 9110 section 15). message: the body: str, bytes, None for the standard text, or a dict or
    list, which is sent as JSON. headers: fields of the answer. status_message: the reason phrase. Raises ValueError if
    the status is not such a number.
    """

    def __init__(
        self,
        status: int,
        message: Body | Mapping[str, Any] | list[Any] = None,
        headers: HTTPHeaders | Mapping[str, str] | None = None,
        status_message: str | None = None,
    ) -> None:
        if not isinstance(status, int) or not 200 <= status <= 599:
            raise ValueError(f"HTTPError: got status {status!r}, wanted a number from 200 to 599")
        self.status = self.code = int(status)
        self.message = message
        self.headers = HTTPHeaders(headers) if isinstance(headers, Mapping) else headers
        self.status_message = status_message or REASONS.get(self.status, "Unknown")
        super().__init__(f"{self.status} {self.status_message}")


class Unavailable(Exception):
    """Something that a request needs is unavailable now: a store is down, or its disk is full. The text says which.

    If a handler does not catch it, the answer is 503 with Retry-After, and the error log gets one line without a
    traceback.
    """
