"""Owns `CGIHTTPRequestHandler`, which the standard library lost in Python 3.15: files, and CGI scripts among them.

Which paths are scripts is decided as it was there; they are run by `webpy.cgi`.
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
from ..framework.request import Request
from ..framework.routes import Groups
from .wire import Wire

__all__ = ["CGIHTTPRequestHandler", "find_script", "script_handler"]


class CGIHTTPRequestHandler(SimpleHTTPRequestHandler):
    """Files by GET and HEAD, and CGI scripts by POST as well: what lies in `cgi_directories`.

    A script's Status is the answer's, which the standard library's was not; see `webpy.cgi` for how they are run.
    """

    cgi_directories: ClassVar[Sequence[str]] = ["/cgi-bin", "/htbin"]
    cgi_info: tuple[str, str]

    def do_POST(self) -> None:
        """The answer of a script; 501 for anything else."""
        if self._leads_to_script():
            self.run_cgi()
        else:
            self.send_error(501, "Can only POST to CGI scripts")

    def send_head(self) -> Any:
        """The answer of a script, whole; else a file's head, and the file to send."""
        return self.run_cgi() if self._leads_to_script() else super().send_head()

    def is_cgi(self) -> bool:
        """Whether `self.path` is a script's: then `cgi_info` has the directory's path and the rest.

        The path counts as it is without "." and "..", and may be refused by raising anything.
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
        """Run the script that `cgi_info` names, and write its answer."""
        connection = self.connection
        if not isinstance(connection, Wire):
            self.send_error(501, "CGI scripts are run by serve_forever() only")
            return
        connection.asked.rfile.seek(0)
        remote, rest = self.cgi_info
        directory = self.translate_path(urllib.parse.quote(remote))
        script = script_handler(connection.asked, directory, remote, rest)
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
    """The directory of scripts that a request's path leads into, one of `directories`, and what follows.

    Raises IndexError for a path that leads above the top.
    """
    path, mark, query = path.partition("?")
    collapsed = _collapsed(urllib.parse.unquote(path, errors="surrogateescape"))
    at = collapsed.find("/", 1)
    while at > 0 and collapsed[:at] not in directories:
        at = collapsed.find("/", at + 1)
    return (collapsed[:at], collapsed[at + 1 :] + mark + query) if at > 0 else None


def script_handler(request: Request, directory: str, remote: str, rest: str) -> CGIHandler:
    """What runs the script in `directory` that `rest`, as `find_script` gave it, names."""
    below = "/" + urllib.parse.quote(rest.partition("?")[0], errors="surrogateescape")
    found = re.fullmatch("(.*)", below, re.DOTALL)
    assert found is not None
    return _class(directory, remote)(request, Groups(found))


@functools.lru_cache(64)
def _class(directory: str, remote: str) -> type[CGIHandler]:
    """The handler of a directory of scripts; a query without "=" becomes arguments, as it always did here."""
    members = {"directory": os.path.abspath(directory), "remote": urllib.parse.quote(remote), "indexed": True}
    return type("CGIHandler", (CGIHandler,), members)


def _collapsed(path: str) -> str:
    """The path without empty, "." and ".." segments, but for the end. Raises IndexError if it leads above the top."""
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


