"""Pages in HTML from a template, with the text in them escaped: `PageHandler`, `PageErrorHandler`, `new_error()`.

    import webpy as web
    from webpy import page

    class Greeting(page.PageHandler):
        directory, page = 'pages', 'greeting.html'      # <h1>Hello, {name}!</h1>

        def values(self):
            return {'name': self.groups['name']}        # <script> becomes &lt;script&gt;

    class Error(page.PageErrorHandler):
        directory, page = 'pages', 'error.html'         # {code}, {status_message} and {message}

    routes = {'/hello/(?P<name>[^/]+)': Greeting}
    error_routes = page.new_error(handler=Error)

Options, attributes of both:

- `directory = '.'`, `page`: the file, UTF-8, read at each request, so that changes show at once. `index.html` of a
  `PageHandler`; an error page needs none, as `template` has a plain one.
- `template`: the template itself instead of a file; of an error page it stands if `page` is empty.
- `values()`: what the template's fields stand for. A `PageHandler` without any sends the page as it is.
- `format(page)`: override it to fill the template in another way; it gives the whole page.

Templates have the syntax of `str.format`: `{name}`, `{price:.2f}`, `{user[name]}`, and `{{` for a brace, in styles and
scripts also. Every value is formatted, then escaped (`html.escape`, quotes too), unless it is `HTML`, a str that is
markup, or has a method `__html__` (as `markupsafe.Markup`). `render(**values)` gives the page with further values to
methods other than `do_get`: `return 400, self.render(problem='no name')`.

Caveats: escaped text is safe as the text of an element and in a quoted attribute, nowhere else: not in scripts,
styles, or as the address of a link (`javascript:`). A template is code: never take one, or its file's name,
from a client. A file that is missing, or a field without a value, is a 500, and the error log names it.
"""

from __future__ import annotations

import html
import string
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .framework.answer import NO_SNIFFING
from .framework.errors import HTTPErrorHandler
from .framework.handler import HTTPHandler

if TYPE_CHECKING:
    import os

    from .framework.response import Body, Result

__all__ = ["HTML", "PageErrorHandler", "PageHandler", "fill", "new_error"]

_TYPE = "text/html; charset=utf-8"

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


class HTML(str):
    """Text that is markup already, and goes into a page as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


class _Escaping(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        if hasattr(value, "__html__") and not format_spec:
            return str(value.__html__())
        return html.escape(str(super().format_field(value, format_spec)))


_formatter = _Escaping()


def fill(template: str, values: Mapping[str, Any], name: str = "template") -> str:
    """The template with its fields replaced by the escaped values; raises ValueError that names what is wrong in it.

    name: what to call the template in that message.
    """
    try:
        return _formatter.vformat(template, (), values)
    except (LookupError, AttributeError) as error:
        raise ValueError(f"{name}: no value for the field {error}; there are: {', '.join(values)}") from error
    except ValueError as error:
        raise ValueError(f"{name}: {error} (a brace that begins no field is written twice)") from error


class _Page:
    """Where a template comes from."""

    directory: str | os.PathLike[str] = "."
    page: str = ""
    template: str | None = None

    def read(self) -> str:
        """The template: of the file, or `template`; raises OSError or UnicodeDecodeError for a bad file."""
        if self.template is not None and not self._filed():
            return self.template
        return (Path(self.directory) / self.page).read_text("utf-8")

    def _filed(self) -> bool:
        return False

    def _name(self) -> str:
        if self.template is not None and not self._filed():
            return f"the template of {type(self).__qualname__}"
        return str(Path(self.directory) / self.page)


class PageHandler(_Page, HTTPHandler):
    """Answers GET and HEAD with a page."""

    page = "index.html"
    _given: Mapping[str, Any] = {}

    def values(self) -> Mapping[str, Any]:
        """What the template's fields stand for; override it. Without any, the page is sent as it is."""
        return {}

    def format(self, page: str) -> str:
        """The whole page for the template `page`."""
        values = {**self.values(), **self._given}
        return fill(page, values, self._name()) if values else page

    def render(self, **values: Any) -> str:
        """The page, with these values besides those of `values()`; sets the Content-Type if none is set."""
        self._given = values
        text = self.format(self.read())
        if "Content-Type" not in self.response.headers:
            self.response.headers.set("Content-Type", _TYPE)
            self.response.headers.set(*NO_SNIFFING)
        return text

    def do_get(self) -> Result:
        """200 and the page."""
        return 200, self.render()


class PageErrorHandler(_Page, HTTPErrorHandler):
    """Errors as a page, with the fields `code`, `status_message` and `message` (the error's, or both others)."""

    template = _ERROR

    def _filed(self) -> bool:
        return bool(self.page)

    def values(self) -> Mapping[str, Any]:
        """What the template's fields stand for; override it to add some."""
        error = self.error
        message: Any = error.message
        if isinstance(message, (bytes, bytearray, memoryview)):
            message = bytes(message).decode("utf-8", "replace")
        if not isinstance(message, str):
            if hasattr(message, "close"):  # a stream or a generator has no place here
                message.close()
            message = ""
        return {
            "code": error.status,
            "status_message": error.status_message,
            "message": message or f"{error.status} - {error.status_message}",
        }

    def format(self, page: str | None = None) -> Body:
        """The whole page for the template `page`; for its own if None."""
        return fill(self.read() if page is None else page, self.values(), self._name())

    def respond(self) -> Result:
        if self.error.headers is not None:
            self.response.headers = self.error.headers.copy()
        self.response.headers.set("Content-Type", _TYPE)  # what was right for the message is not for this
        self.response.headers.set(*NO_SNIFFING)
        return self.error.status, self.error.status_message, self.format(self.read())


def new_error(
    error: str = "[45][0-9]{2}", *, handler: type[HTTPErrorHandler] = PageErrorHandler
) -> dict[str, type[HTTPErrorHandler]]:
    """Error routes with pages, for the statuses that the regex `error` matches: all errors by default."""
    return {error: handler}
