"""Owns what `python -m webpy` serves: a folder, as `python -m http.server` does, with `webpy.file` and `webpy.cgi`.

The file of a path, its type, and the page that lists a folder come from the standard library's own handler, so they are
those of the Python that runs.
"""

from __future__ import annotations

import errno
import html
import os
import urllib.parse
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler
from typing import ClassVar

from ..file import FileHandler, PathHandler
from ..file.opening import refusal
from ..framework.errorhandler import HTTPErrorHandler
from ..framework.errors import HTTPError
from ..framework.response import Result
from ..statedir import is_private
from ..worker import Site
from .scripts import CGIHTTPRequestHandler, find_script, script_handler

__all__ = ["ErrorPage", "FolderHandler", "folder"]


def folder(directory: str, *, cgi: bool = False, closes: bool = False) -> Site:
    """Return the routes that serve a directory. cgi: run the scripts in its cgi-bin and htbin; closes: close each
    connection after one answer, as in HTTP/1.0."""
    directory = os.path.abspath(directory)
    members = {"__doc__": f"Files of {directory}.", "file_local": directory, "cgi": cgi, "closes": closes}
    handler = type("FolderHandler", (FolderHandler,), members)
    return Site({"/.*|\\*": handler}, {".*": type("ErrorPage", (ErrorPage,), {"closes": closes})})


class FolderHandler(PathHandler):
    """Sends the files of `file_local`, hidden ones and targets of links too, but not webpy's settings and databases."""

    file_index_files = ("index.html", "index.htm")
    cgi: ClassVar[bool] = False
    closes: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.file_cached = cls.find is FolderHandler.find  # which depends on the resource only

    def respond(self) -> Result:
        """Answer GET and HEAD, and POST for a script; raises HTTPError 501 for others."""
        method = self.request.method
        if self.closes:
            self.response.headers.set("Connection", "close")
        if self.cgi and method in ("GET", "HEAD", "POST"):
            found = self._script()
            if found is not None:
                script = script_handler(self.request, os.fspath(self.file_local) + found[0], *found)
                script.response = self.response
                return script.respond()
            if method == "POST":
                raise HTTPError(501, status_message="Can only POST to CGI scripts")
        if method not in ("GET", "HEAD"):
            raise HTTPError(501, status_message=f"Unsupported method ({method!r})")
        return super().respond()

    def find(self) -> Result:
        """Answer with the file, the page of a directory, or a redirect to it. Raises HTTPError 404."""
        resource = self.request.resource
        standard = _StandardHandler(os.fspath(self.file_local), resource)
        path = standard.translate_path(resource)
        try:
            if os.path.isdir(path):
                if not urllib.parse.urlsplit(resource).path.endswith("/"):
                    return self.to_the_slash()
                index = standard.index(path, self.file_index_files)
                if index is None:
                    return self._list(standard, path)
                path = index
            if path.endswith("/") or "\0" in path:
                raise HTTPError(404, status_message="File not found")
            name = os.fsencode(path)
            fd, status = self.open(name)
        except (OSError, UnicodeError) as error:
            if isinstance(error, OSError):
                refusal(error)  # raises for a failure of the server, such as too many open files
            raise HTTPError(404, status_message="File not found") from None
        return self.send(name, fd, status)

    def _script(self) -> tuple[str, str] | None:
        try:
            return find_script(self.request.resource, CGIHTTPRequestHandler.cgi_directories)
        except IndexError:
            raise HTTPError(404, status_message="File not found") from None

    def open(self, path: bytes) -> tuple[int, os.stat_result]:
        """Open a file, also a link's target. Raises FileNotFoundError for webpy's own settings, which hold a token, and
        databases."""
        if is_private(path) or is_private(os.path.realpath(path)):
            raise FileNotFoundError(errno.ENOENT, "is the server's own")
        return FileHandler.open(self, path)

    def file_content_type(self, path: str) -> str:
        """Return the type that the standard library's handler sends."""
        return str(_StandardHandler(os.fspath(self.file_local), "/").guess_type(path))

    def _list(self, standard: _StandardHandler, path: str) -> Result:
        page = standard.list_directory(path)
        if page is None:
            raise HTTPError(404, status_message="No permission to list directory")
        for name, value in standard.fields:
            self.response.headers.set(name, value)
        # remove the lines of files that `open` refuses
        ours = [name for name in os.listdir(path) if is_private(os.fsencode(os.path.join(path, name)))]
        if not ours:
            return 200, page
        starts = tuple(f'<li><a href="{urllib.parse.quote(name, errors="surrogatepass")}"'.encode() for name in ours)
        shown = b"".join(line for line in page if not line.startswith(starts))
        self.response.headers.set("Content-Length", str(len(shown)))
        return 200, shown


class _StandardHandler(SimpleHTTPRequestHandler):
    """The standard library's handler without a connection, for the methods that need none."""

    def __init__(self, directory: str, path: str) -> None:
        self.directory = directory
        self.path = path
        self.fields: list[tuple[str, str]] = []

    def index(self, path: str, names: tuple[str, ...]) -> str | None:
        """Return the index file of a directory; None if it has none."""
        found = (os.path.join(path, name) for name in names)
        return next((file for file in found if os.path.isfile(file)), None)

    def send_response(self, code: int, message: str | None = None) -> None: ...

    def send_header(self, keyword: str, value: str) -> None:
        self.fields.append((keyword, value))

    def end_headers(self) -> None: ...

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None: ...


class ErrorPage(HTTPErrorHandler):
    """The standard library's page for an error."""

    closes: ClassVar[bool] = False

    def respond(self) -> Result:
        """Return the error page, and close the connection afterwards if all are closed."""
        result = super().respond()
        if self.closes:
            self.response.headers.set("Connection", "close")
        return result

    def format(self) -> str:
        """Return the page as HTML."""
        status = self.error.status
        self.response.headers.set("Content-Type", BaseHTTPRequestHandler.error_content_type)
        _, explain = BaseHTTPRequestHandler.responses.get(status, ("", ""))
        message = html.escape(self.error.status_message, quote=False)
        return BaseHTTPRequestHandler.error_message_format % {"code": status, "message": message, "explain": explain}
