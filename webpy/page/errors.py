"""Owns `PageErrorHandler`, which answers errors with a page, and the routes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..framework.answer import NO_SNIFFING
from ..framework.errorhandler import HTTPErrorHandler
from .filling import fill
from .source import PAGE_TYPE, Page

if TYPE_CHECKING:
    from ..framework.response import Body, Result

__all__ = ["PageErrorHandler", "new_error"]

_ERROR = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{code} {status_message}</title>
</head>
<body>
<h1>{code} {status_message}</h1>
<p>{message}</p>
</body>
</html>
"""


class PageErrorHandler(Page, HTTPErrorHandler):
    """Errors as a page, with the fields `code`, `status_message` and `message` (the error's own, or the other two)."""

    page_template = _ERROR

    def _has_file(self) -> bool:
        return bool(self.page_file)

    def page_values(self) -> Mapping[str, Any]:
        """Return the values of the template's fields. Override it to add some."""
        error = self.error
        message: Any = error.message
        if isinstance(message, (bytes, bytearray, memoryview)):
            message = bytes(message).decode("utf-8", "replace")
        if not isinstance(message, str):
            if hasattr(message, "close"):  # a stream or a generator cannot be shown in a page
                message.close()
            message = ""
        return {
            "code": error.status,
            "status_message": error.status_message,
            "message": message or f"{error.status} - {error.status_message}",
        }

    def page_format(self, template: str | None = None) -> Body:
        """Return the whole page for `template`, None for the handler's own."""
        return fill(self.read() if template is None else template, self.page_values(), self._name())

    def respond(self) -> Result:
        if self.error.headers is not None:
            self.response.headers = self.error.headers.copy()
        self.response.headers.set("Content-Type", PAGE_TYPE)  # the error's own was for its message
        self.response.headers.set(*NO_SNIFFING)
        return self.error.status, self.error.status_message, self._body()

    def _body(self) -> Body:
        # the template that a class has without setting one is not of Jinja2
        if self.page_engine == "format" or (self.page_template is _ERROR and not self.page_file):
            return self.page_format(self.read())
        return self._rendered(self.request, self.page_values())


def new_error(
    error: str = "[45][0-9]{2}", *, handler: type[HTTPErrorHandler] = PageErrorHandler
) -> dict[str, type[HTTPErrorHandler]]:
    """Return error routes with pages, for the statuses that the regex `error` matches: all errors by default."""
    return {error: handler}
