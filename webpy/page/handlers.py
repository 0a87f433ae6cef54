"""Owns `PageHandler`, which answers with a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..framework.answer import NO_SNIFFING
from ..framework.handler import HTTPHandler
from .filling import fill
from .source import PAGE_TYPE, Page

if TYPE_CHECKING:
    from ..framework.response import Result

__all__ = ["PageHandler"]


class PageHandler(Page, HTTPHandler):
    """Answers GET and HEAD with a page."""

    page_file = "index.html"
    _given: Mapping[str, Any] = {}

    def page_values(self) -> Mapping[str, Any]:
        """Return the values of the template's fields. Override it; without values the template is sent unchanged."""
        return {}

    def page_format(self, template: str) -> str:
        """Return the whole page for the template."""
        values = {**self.page_values(), **self._given}
        return fill(template, values, self._name()) if values else template

    def render(self, **values: Any) -> str:
        """Return the page, with these values besides those of `page_values()`; sets Content-Type if it is not set."""
        self._given = values
        if self.page_engine == "format":
            text = self.page_format(self.read())
        else:
            text = self._rendered(self.request, {**self.page_values(), **values})
        if "Content-Type" not in self.response.headers:
            self.response.headers.set("Content-Type", PAGE_TYPE)
            self.response.headers.set(*NO_SNIFFING)
        return text

    def do_get(self) -> Result:
        """Return 200 and the page."""
        return 200, self.render()
