"""Owns the error handlers whose bodies are JSON, and `new_error`, which makes error routes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..framework.answer import NO_SNIFFING
from ..framework.errorhandler import HTTPErrorHandler
from ..protocol.grammar import media_type
from .text import dumps

if TYPE_CHECKING:
    from ..framework.response import Body

__all__ = ["JSONErrorHandler", "JSONErrorMixIn", "new_error"]

_TYPE = "application/json"


class JSONErrorMixIn(HTTPErrorHandler):
    """Errors as JSON: {"error": status, "status": reason phrase}, and "message" if the error has a text.

    A message that is a dict or a list becomes the body itself. The Content-Type is application/json, or that of the
    error's headers if it ends in +json, such as application/problem+json (RFC 9457).
    """

    def format(self) -> Body:
        stated = media_type(self.response.headers.get("Content-Type") or "")
        if not stated.endswith("+json"):  # the error's own was for its message
            self.response.headers.set("Content-Type", _TYPE)
            self.response.headers.set(*NO_SNIFFING)
        message: Any = self.error.message
        if isinstance(message, (Mapping, list)):
            return dumps(dict(message) if isinstance(message, Mapping) else message)
        body: dict[str, Any] = {"error": self.error.status, "status": self.error.status_message}
        if isinstance(message, (bytes, bytearray, memoryview)):
            message = bytes(message).decode("utf-8", "replace")
        if isinstance(message, str):
            body["message"] = message.removesuffix("\n")
        elif hasattr(message, "close"):  # a stream or a generator cannot be shown in JSON
            message.close()
        return dumps(body)


class JSONErrorHandler(JSONErrorMixIn):
    """Errors as JSON: see `JSONErrorMixIn`."""


def new_error(
    error: str = "[45][0-9]{2}", *, handler: type[HTTPErrorHandler] = JSONErrorHandler
) -> dict[str, type[HTTPErrorHandler]]:
    """Return error routes with bodies in JSON, for statuses that the regex `error` matches, by default all errors."""
    return {error: handler}
