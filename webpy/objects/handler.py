"""Owns `ObjectsHandler`, webpy's handler for pages, between webpy's request and answer and CherryPy's.

The worker sends plain bytes without a Content-Length field fastest, so most responses become that.
"""

from __future__ import annotations

import io
import re
from typing import Any
from urllib.parse import unquote_to_bytes

from ..framework.handler import HTTPHandler
from ..framework.hosting import HostHandler, host_class
from ..framework.response import Result
from ..framework.routing.routes import mount_point
from ..protocol import REASONS
from ..protocol.grammar import SEGMENTS
from ..wsgi import new as new_wsgi
from .bodies import Ending, Pieces, Whole
from .configuration.reading import Source
from .messages.errors import InternalRedirect
from .messages.fields import Host
from .messages.response import FileBody
from .messages.urls import join
from .process.logs import log
from .process.serving import serving
from .request import BARE_ERROR
from .tree import Application, Tree, tree

__all__ = ["ObjectsHandler", "new"]

_SLASH = re.compile("%2[Ff]")
_LIKE_SLASH = re.compile("%((?:25)*2F)")


def new(
    root: Any, remote: str = "", config: Source | None = None, *, handler: type[ObjectsHandler] | None = None
) -> dict[str, type[HTTPHandler]]:
    """Return routes that answer every path below `remote` with the pages of `root`.

    root: an object with exposed methods, an `Application`, or a `Tree`. An object that has been mounted already keeps
    the configuration it was mounted with. config: the application's configuration, a dict or a file.
    remote: a path without a slash at its end, such as "/shop"; empty for all paths.
    handler: a subclass of `ObjectsHandler`, for example with mix-ins in front; it also stands in front of the tree's
    WSGI applications.

    Raises ValueError for an invalid `remote` or configuration, TypeError for any other `handler`.
    """
    base = host_class(handler, ObjectsHandler, "webpy.objects.new")
    if not isinstance(remote, str) or "%" in remote or not SEGMENTS.fullmatch(remote):
        raise ValueError(f"remote: got {remote!r}, wanted a path such as '/shop', without a slash at its end")
    remote = mount_point(remote)
    if isinstance(root, Tree):
        served = root
    else:
        served = Tree()
        served.mount(_mounted(root) or root, remote, config)
        (remote,) = served.apps
    routes: dict[str, type[HTTPHandler]] = {}
    for script_name, app in sorted(served.apps.items(), reverse=True):  # the longest first
        if not isinstance(app, Application):
            ((regex, grafted),) = new_wsgi(app, script_name).items()
            routes[regex] = type(grafted.__name__, (base,), {"tree": served, "grafted": grafted, "_host": served})
    made = type(f"objects {type(root).__qualname__}", (base,), {"tree": served, "_host": served})
    routes[f"{re.escape(remote)}(?:/.*|\\?.*)?" if remote else "/.*"] = made
    return routes


def _mounted(root: Any) -> Application | None:
    """Return the application of the program's tree with this root; None if it is not mounted there."""
    for app in tree.apps.values():
        if isinstance(app, Application) and app.root is root:
            return app
    return None


class ObjectsHandler(HostHandler):
    """Answers every method with the pages of the application that the path belongs to; subclassed by `new`."""

    tree: Tree
    grafted: type[HTTPHandler] | None = None
    """The handler of a WSGI application of the tree, which answers instead."""
    decodes_path = True
    any_method = True
    raises = False
    """Whether exceptions of pages are raised to the worker, which shows them in development (`request.throw_errors` has
    to be set, too); otherwise they are logged and answered here."""

    def respond(self) -> Result:
        request = self.request
        if self.grafted is not None:
            host: Any = self.grafted(request, self.groups)
            host._response = self._response
            host.auth = getattr(self, "auth", None)
            result: Result = host.respond()
            self._response = host._response
            return result
        head = request.head
        path, _, query = head.resource.partition("?")
        path = join(_decoded(path))
        script_name = self.tree.script_name(path)
        app = None if script_name is None else self.tree.apps[script_name]
        if not isinstance(app, Application):
            return 404, None
        encoding = app.find_config(path[len(app.script_name) :], "request.uri_encoding", "utf-8")
        path, query = _recoded(path, encoding), _recoded(query, encoding)
        try:
            self._run(app, head.method, path, query)
            return self._answer(app)
        except Exception:  # raised by neither a page nor a tool: `Request.run` answers those
            if self.raises:
                serving.clear()
                raise
            log(traceback=True, severity=40)
            serving.clear()
            self.take_fields([("Content-Type", "text/plain")])
            return 500, BARE_ERROR

    def _run(self, app: Application, method: str, path: str, query: str) -> None:
        request = self.request
        local_name, local_port = request.server_address
        remote_ip, remote_port = request.client_address
        rfile: Any = request.rfile
        previous: Any = None
        seen: set[str] = set()
        while True:
            local, remote = Host("", local_port, local_name), Host(remote_ip, remote_port, "")
            made, _ = app.get_serving(local, remote, request.scheme, "HTTP/1.1")
            made.prev = previous
            made.webpy = request
            made.multithread = request.multithread
            try:
                made.run(method, path, query, request.http_version, _fields(request), rfile)
            except InternalRedirect as redirect:
                seen.add(f"{path}?{query}")
                app.release_serving()
                path, query = app.script_name + redirect.path, redirect.query_string
                if f"{path}?{query}" in seen:
                    raise RuntimeError(f"InternalRedirect visited the same URL twice: {path!r}") from None
                method, rfile, previous = "GET", io.BytesIO(), redirect.request
            except BaseException:
                app.release_serving()
                raise
            else:
                return

    def _answer(self, app: Application) -> Result:
        """Return the response as the worker takes it. Ends the request, unless its hooks wait until that is sent."""
        try:
            request, response = serving.request, serving.response
            assert response.output_status is not None and response.header_list is not None
            code, _, phrase = response.output_status.partition(b" ")
            status, reason = int(code), phrase.decode("latin-1")
            body = response.body
            is_whole = isinstance(body, list)
            if is_whole and request.method == "HEAD":
                body, is_whole = iter(()), False  # its length is what Content-Length says, or unknown
            elif is_whole:
                body = b"".join(body)
            fields = _fields_of(response.header_list, len(body) if is_whole else None)
        except BaseException:
            app.release_serving()
            raise
        if is_whole and not request.hooks["on_end_request"]:
            app.release_serving()
        elif is_whole:
            body = Whole(body, Ending(app))
        elif isinstance(body, FileBody) and body.can_be_sent() and not request.hooks["on_end_request"]:
            app.release_serving()
            body = body.file
        else:
            body = Pieces(body, Ending(app))
        self.take_fields(fields)
        return (status, body) if reason == REASONS.get(status) else (status, reason, body)


def _fields_of(header_list: list[tuple[bytes, bytes]], known: int | None) -> list[tuple[str, str]]:
    """Return the fields to send. known: the body's length, or None; a Content-Length that repeats it is left out."""
    return [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in header_list
        if known is None or name != b"Content-Length" or value != b"%d" % known
    ]


def _decoded(path: str) -> str:
    """Return the path percent-decoded, each byte as one character.

    Escaped slashes stay escaped, as %2F, because they are part of a segment; so does what would look like one once
    decoded, such as %252F.
    """
    if "%" not in path:
        return path
    parts = (unquote_to_bytes(part.encode("latin-1")).decode("latin-1") for part in _SLASH.split(path))
    return "%2F".join(_LIKE_SLASH.sub(r"%25\1", part) for part in parts)


def _recoded(text: str, encoding: str) -> str:
    """Decode text whose characters each stand for a byte; unchanged if `encoding` cannot decode it."""
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return text


def _fields(request: Any) -> list[tuple[str, str]]:
    """Return the request's fields, repeated ones joined, and the client's address as the field `Remote-Addr`."""
    found: dict[str, str] = {}
    for name, value in request.head.fields:
        name = name.title()
        if "_" in name:  # could be mistaken for the field with a hyphen in its place
            continue
        if name in found:
            value = f"{found[name]}{'; ' if name == 'Cookie' else ', '}{value}"
        found[name] = value
    if request.host:
        found["Host"] = request.host
    found["Remote-Addr"] = request.client_address[0]
    return list(found.items())
