"""Owns `CGIHTTPRequestHandler`, which Python 3.15 removed from the standard library: files, and CGI scripts among them.

It decides as the standard library did which paths are scripts; `webpy.cgi` runs them.
"""

from __future__ import annotations

import functools
import os
import re
import urllib.parse
from collections.abc import Iterator, Sequence
from http.server import SimpleHTTPRequestHandler
from typing import Any, ClassVar, cast

from ..cgi import CGIHandler
from ..framework.errors import HTTPError
from ..framework.groups import Groups
from ..framework.request import Request
from .wire import Wire

__all__ = ["CGIHTTPRequestHandler", "find_script", "script_handler"]


class CGIHTTPRequestHandler(SimpleHTTPRequestHandler):
    """Serves files to GET and HEAD, and CGI scripts, those in `cgi_directories`, to POST too.

    The answer has the script's Status, unlike in the standard library. `webpy.cgi` says how scripts are run.
    """

    cgi_directories: ClassVar[Sequence[str]] = ["/cgi-bin", "/htbin"]
    cgi_info: tuple[str, str]

    def do_POST(self) -> None:
        """Answer with a script; 501 if the path is not a script's."""
        if self._leads_to_script():
            self.run_cgi()
        else:
            self.send_error(501, "Can only POST to CGI scripts")

    def send_head(self) -> Any:
        """Answer with a script and return None, or send a file's head and return the file."""
        return self.run_cgi() if self._leads_to_script() else super().send_head()

    def is_cgi(self) -> bool:
        """Return whether `self.path` is a script's, and set `cgi_info` to its directory's path and the rest.

        "." and ".." in the path are resolved first. An override may raise to refuse a path.
        """
        found = find_script(self.path, self.cgi_directories)
        if found is None:
            return False
        self.cgi_info = found
        return True

    def _leads_to_script(self) -> bool:
        try:
            return self.is_cgi()
        except IndexError:
            raise HTTPError(404) from None

    def run_cgi(self) -> None:
        """Run the script that `cgi_info` names and write its answer."""
        connection = self.connection
        if not isinstance(connection, Wire):
            self.send_error(501, "CGI scripts are run by serve_forever() only")
            return
        connection.webpy_request.rfile.seek(0)
        remote, rest = self.cgi_info
        directory = self.translate_path(urllib.parse.quote(remote))
        script = script_handler(connection.webpy_request, directory, remote, rest)
        try:
            status, reason, body = cast("tuple[int, str | None, Iterator[bytes]]", script.respond())
        except HTTPError as error:
            self.send_error(error.status, error.status_message)
            return
        try:
            self.log_request(status)
            self.send_response_only(status, reason)
            self.send_header("Server", self.version_string())
            self.send_header("Date", self.date_time_string())
            for name, value in script.response.headers:
                self.send_header(name, value)
            self.end_headers()
            for piece in body:
                self.wfile.write(piece)
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()


def find_script(path: str, directories: Sequence[str]) -> tuple[str, str] | None:
    """Return which of `directories` a request's path leads into, and the rest of the path; None for none.

    Raises IndexError for a path that leads above the top.
    """
    path, mark, query = path.partition("?")
    collapsed = _collapsed(urllib.parse.unquote(path, errors="surrogateescape"))
    at = collapsed.find("/", 1)
    while at > 0 and collapsed[:at] not in directories:
        at = collapsed.find("/", at + 1)
    return (collapsed[:at], collapsed[at + 1 :] + mark + query) if at > 0 else None


def script_handler(request: Request, directory: str, remote: str, rest: str) -> CGIHandler:
    """Return a handler that runs the script in `directory` that `rest` names. rest: from `find_script`."""
    below = "/" + urllib.parse.quote(rest.partition("?")[0], errors="surrogateescape")
    found = re.fullmatch("(.*)", below, re.DOTALL)
    assert found is not None
    return _class(directory, remote)(request, Groups(found))


@functools.lru_cache(64)
def _class(directory: str, remote: str) -> type[CGIHandler]:
    """Return the handler class of a directory of scripts. A query without "=" becomes arguments, as in the standard
    library."""
    members = {"directory": os.path.abspath(directory), "remote": urllib.parse.quote(remote), "indexed": True}
    return type("CGIHandler", (CGIHandler,), members)


def _collapsed(path: str) -> str:
    """Return the path without empty, "." and ".." segments, except at its end.

    Raises IndexError if it leads above the top.
    """
    *parts, last = path.split("/")
    kept: list[str] = []
    for part in parts:
        if part == "..":
            kept.pop()
        elif part and part != ".":
            kept.append(part)
    if last == "..":
        kept.pop()
    return "/" + "/".join(kept) + "/" + ("" if last in (".", "..") else last)


