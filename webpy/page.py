"""HTML pages from templates, in which text is escaped: `PageHandler`, `PageErrorHandler`, `new_error()`.

    import webpy as web
    from webpy import page

    class Greeting(page.PageHandler):
        page_directory, page_file = 'pages', 'greeting.html'    # <h1>Hello, {name}!</h1>

        def page_values(self):
            return {'name': self.groups['name']}                # <script> becomes &lt;script&gt;

    class Error(page.PageErrorHandler):
        page_directory, page_file = 'pages', 'error.html'       # {code}, {status_message} and {message}

    routes = {'/hello/(?P<name>[^/]+)': Greeting}
    error_routes = page.new_error(handler=Error)

Options, class attributes and methods of both:

- `page_directory = '.'` and `page_file`: the template's file, in UTF-8, read at each request, so that changes show at
  once. The default is `index.html` for a `PageHandler`; an error page needs no file, as it has a plain `page_template`.
- `page_template`: the template itself instead of a file. An error page uses it if `page_file` is empty.
- `page_values()`: override it to return the values of the template's fields. A `PageHandler` without values sends the
  template unchanged.
- `page_format(template)`: override it to fill the template in another way; it returns the whole page.

Templates have the syntax of `str.format`: `{name}`, `{price:.2f}`, `{user[name]}`, and `{{` for a brace, in styles and
scripts also. Every value is formatted and then escaped (`html.escape`, quotes too), unless it is an `HTML`, a str that
is markup already, or has a method `__html__` (as `markupsafe.Markup` has). Methods other than `do_get` call
`render(**values)`, which returns the page with further values: `return 400, self.render(problem='no name')`.

Caveats: escaped text is safe as the text of an element and in a quoted attribute, nowhere else: not in scripts,
styles, or as the address of a link (`javascript:`). A template is code: never take one, or the name of its file,
from a client. A file that is missing, or a field without a value, is a 500, and the error log names it.

Until the next version the options are also understood by their old names, with a DeprecationWarning: `directory`,
`page`, `template`, `values()` and `format(page)`.
"""

from __future__ import annotations

import html
import string
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from .framework.answer import NO_SNIFFING
from .framework.errorhandler import HTTPErrorHandler
from .framework.handler import HTTPHandler
from .framework.renaming import RenamedOptions

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
    """Text that is markup already, and is not escaped in a page."""

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
    """Return the template with its fields replaced by the escaped values.

    name: what messages call the template. Raises ValueError that names a bad field, or a brace that is not doubled.
    """
    try:
        return _formatter.vformat(template, (), values)
    except (LookupError, AttributeError) as error:
        raise ValueError(f"{name}: no value for the field {error}; there are: {', '.join(values)}") from error
    except ValueError as error:
        raise ValueError(f"{name}: {error} (a brace that begins no field is written twice)") from error


class _Page(RenamedOptions):
    """What a page and an error page share: where the template comes from."""

    renamed_options: ClassVar[Mapping[str, str]] = {
        "directory": "page_directory",
        "page": "page_file",
        "template": "page_template",
        "values": "page_values",
        "format": "page_format",
    }

    page_directory: str | os.PathLike[str] = "."
    page_file: str = ""
    page_template: str | None = None

    def read(self) -> str:
        """Return the template, of the file or of `page_template`. Raises OSError, UnicodeDecodeError for a bad file."""
        if self.page_template is not None and not self._has_file():
            return self.page_template
        return (Path(self.page_directory) / self.page_file).read_text("utf-8")

    def _has_file(self) -> bool:
        """Return True if the file counts although there is a `page_template`."""
        return False

    def _name(self) -> str:
        if self.page_template is not None and not self._has_file():
            return f"the template of {type(self).__qualname__}"
        return str(Path(self.page_directory) / self.page_file)


class PageHandler(_Page, HTTPHandler):
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
        text = self.page_format(self.read())
        if "Content-Type" not in self.response.headers:
            self.response.headers.set("Content-Type", _TYPE)
            self.response.headers.set(*NO_SNIFFING)
        return text

    def do_get(self) -> Result:
        """Return 200 and the page."""
        return 200, self.render()


class PageErrorHandler(_Page, HTTPErrorHandler):
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
        self.response.headers.set("Content-Type", _TYPE)  # the error's own was for its message
        self.response.headers.set(*NO_SNIFFING)
        return self.error.status, self.error.status_message, self.page_format(self.read())


def new_error(
    error: str = "[45][0-9]{2}", *, handler: type[HTTPErrorHandler] = PageErrorHandler
) -> dict[str, type[HTTPErrorHandler]]:
    """Return error routes with pages, for the statuses that the regex `error` matches: all errors by default."""
    return {error: handler}
