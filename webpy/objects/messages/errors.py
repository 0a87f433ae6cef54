"""Owns the exceptions that become answers: `HTTPError`, `NotFound`, `HTTPRedirect`, `InternalRedirect`.

They may be raised, or set as `request.handler`: when called, they raise themselves. `errorpage` makes the body of an
error's answer.
"""

from __future__ import annotations

import contextlib
import html
import sys
import traceback
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn
from urllib.parse import urljoin
from xml.sax.saxutils import quoteattr

from ..process.serving import serving
from .errorpage import error_page
from .status import valid_status
from .urls import url

__all__ = [
    "CherryPyException",
    "HTTPError",
    "HTTPRedirect",
    "InternalRedirect",
    "NotFound",
    "clean_headers",
    "format_exc",
]


class CherryPyException(Exception):
    """The base of CherryPy's exceptions."""

    def __call__(self) -> NoReturn:
        raise self


class InternalRedirect(CherryPyException):
    """Answers with another page of the same application; the client does not notice.

    path: absolute below the mount point, or relative to the current page. Its query may be part of it or be given as
    `query_string`.
    """

    def __init__(self, path: str, query_string: str = "") -> None:
        self.request = serving.request
        if "?" in path:
            path, query_string = path.split("?", 1)
        self.query_string = query_string
        self.path = urljoin(self.request.path_info, path)
        super().__init__(self.path, self.query_string)


_MOVED = {
    300: "This resource can be found at ",
    301: "This resource has permanently moved to ",
    302: "This resource resides temporarily at ",
    303: "This resource can be found at ",
    307: "This resource has moved temporarily to ",
    308: "This resource has been moved to ",
}
_OF_A_BODY = (
    *("Allow", "Content-Encoding", "Content-Language", "Content-Length", "Content-Location", "Content-MD5"),
    *("Content-Range", "Content-Type", "Expires", "Last-Modified"),
)


class HTTPRedirect(CherryPyException):
    """Redirects the client.

    urls: one or several, absolute or relative to the current page; status: 300 to 308. None is 303, by which clients
    send a GET whatever the first method was (302 under HTTP/1.0). Raises ValueError for other statuses.
    """

    def __init__(
        self, urls: str | bytes | Iterable[str | bytes], status: int | None = None, encoding: str = "utf-8"
    ) -> None:
        given = [urls] if isinstance(urls, (str, bytes)) else list(urls)
        texts = [one.decode(encoding) if isinstance(one, bytes) else one for one in given]
        self.urls = [urljoin(url(), text) for text in texts]
        if status is None:
            status = 303 if getattr(serving.request, "protocol", (1, 1)) >= (1, 1) else 302
        self.status = int(status)
        if not 300 <= self.status <= 399:
            raise ValueError("status must be between 300 and 399.")
        super().__init__(self.urls, self.status)

    def set_response(self) -> None:
        """Make the current response this redirect."""
        response = serving.response
        headers = response.headers
        response.status = status = self.status
        headers.pop("Content-Length", None)
        if status in _MOVED:
            headers["Content-Type"] = "text/html;charset=utf-8"
            headers["Location"] = self.urls[0]
            links = (f"<a href={quoteattr(address)}>{html.escape(address, quote=False)}</a>." for address in self.urls)
            response.body = "<br />\n".join(_MOVED[status] + link for link in links).encode()
        elif status == 304:  # RFC 9110 section 15.4.5
            for name in _OF_A_BODY:
                headers.pop(name, None)
            response.body = None
        elif status == 305:
            headers["Location"] = self.urls[0]
            response.body = None
        else:
            raise ValueError(f"The {status} status code is unknown.")


# Fields that a page may have set for its own body: they do not hold for the page of an error.
_OF_A_PAGE = (
    *("Accept-Ranges", "Age", "ETag", "Location", "Retry-After", "Vary", "Content-Encoding", "Content-Length"),
    *("Expires", "Content-Location", "Content-MD5", "Last-Modified"),
)


class HTTPError(CherryPyException):
    """Answers with an error page.

    status: 400 to 599, as a number or as text with a reason ("403 Keep out"); message: the page's text, which is
    escaped. Raises ValueError for other statuses.
    """

    def __init__(self, status: Any = 500, message: str | None = None) -> None:
        self.status = status
        try:
            self.code, self.reason, default = valid_status(status)
        except ValueError as error:
            raise HTTPError(500, str(error)) from None
        if not 400 <= self.code <= 599:
            raise ValueError("status must be between 400 and 599.")
        self._message = message or default
        super().__init__(status, message)

    def set_response(self) -> None:
        """Make the current response this error."""
        response = serving.response
        clean_headers(self.code)
        response.status = self.status
        shown = format_exc() if serving.request.show_tracebacks else None
        response.body = self.get_error_page(self.status, traceback=shown, message=self._message)

    def get_error_page(self, *args: Any, **kwargs: Any) -> Any:
        """Return the body of the error page: see `errorpage.error_page`, which takes the same arguments."""
        try:
            return error_page(*args, **kwargs)
        except ValueError as error:
            raise HTTPError(500, str(error)) from None

    @classmethod
    @contextlib.contextmanager
    def handle(
        cls, exception: type[BaseException] | tuple[type[BaseException], ...], status: Any = 500, message: str = ""
    ) -> Iterator[None]:
        """A context manager in which `exception` becomes this error."""
        try:
            yield
        except exception as error:
            raise cls(status, message or str(error)) from error


def clean_headers(status: int) -> None:
    """Remove the fields of the current response that described a page which is not sent."""
    headers = serving.response.headers
    for name in _OF_A_PAGE:
        headers.pop(name, None)
    if status != 416:
        headers.pop("Content-Range", None)


def format_exc() -> str:
    """Return the traceback of the exception being handled, as text; empty if there is none."""
    return traceback.format_exc() if sys.exc_info()[1] is not None else ""


class NotFound(HTTPError):
    """An HTTPError 404 for `path`, or for the current path if None."""

    def __init__(self, path: str | None = None) -> None:
        if path is None:
            path = serving.request.script_name + serving.request.path_info
        super().__init__(404, f"The path '{path}' was not found.")
        self.args = (path,)
