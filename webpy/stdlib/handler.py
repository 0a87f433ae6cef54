"""Owns `StdlibHandler`, which runs unchanged handlers of the standard library (`http.server.BaseHTTPRequestHandler`).

Each request gets an object of the handler's class and a thread, as under `ThreadingHTTPServer`. The object reads and
writes a substitute for its socket (`wire`), so all methods of the class work, whichever of them a subclass overrides.
"""

from __future__ import annotations

import functools
import io
import logging
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from socketserver import BaseRequestHandler
from typing import IO, Any

from ..framework.errors import HTTPError
from ..framework.groups import Groups
from ..framework.handler import HTTPHandler
from ..framework.hosting import HostHandler, host_class
from ..framework.request import Request
from ..framework.response import Result
from ..framework.routing.routes import mount_point
from ..protocol.grammar import SEGMENTS
from .channel import Channel
from .threads import Threads
from .wire import Wire

__all__ = ["Factory", "StdlibHandler", "hosted", "new", "routes_of"]

Factory = Callable[..., BaseRequestHandler]

_ALL = "/.*|\\*"

_log = logging.getLogger("webpy")
_threads = Threads()


def new(
    factory: Factory, /, remote: str = "", *, handler: type[StdlibHandler] | None = None
) -> dict[str, type[HTTPHandler]]:
    """Return routes that answer every path below `remote` with handlers made by `factory`.

    factory: a subclass of `http.server.BaseHTTPRequestHandler`, a `functools.partial` of one, or any callable of
    connection, client's address and server.
    remote: a path without a slash at its end, percent-encoded, such as "/old"; empty for all paths. `self.path` begins
    with it, as these handlers are written for the top of a server.
    handler: a subclass of `StdlibHandler`, for example with mix-ins in front.

    Raises TypeError for a factory that cannot be called or any other `handler`, ValueError for an invalid `remote`.
    """
    base = host_class(handler, StdlibHandler, "webpy.stdlib.new")
    if not callable(factory):
        raise TypeError(f"webpy.stdlib.new: got {factory!r:.60}, wanted a subclass of BaseHTTPRequestHandler")
    if not isinstance(remote, str) or not SEGMENTS.fullmatch(remote):
        raise ValueError(f"remote: got {remote!r}, wanted a path such as '/old', without a slash at its end")
    remote = mount_point(remote)
    kind = hosted(factory)
    (made,) = routes_of(kind, kind, Server(factory), base).values()
    return {f"{re.escape(remote)}(?:/.*|\\?.*)?" if remote else _ALL: made}


def routes_of(
    handler: Factory, answer: Callable[..., object], server: Any, base: type[StdlibHandler] | None = None
) -> dict[str, type[HTTPHandler]]:
    """Return routes that answer every path by calling `answer` with connection, client's address and `server`.

    handler: the factory that `answer` calls in the end, from `hosted`; base: the class of the routes' handler.
    """
    kind: Any = handler.func if isinstance(handler, functools.partial) else handler
    name = getattr(kind, "__name__", type(kind).__name__)
    members = {"answer": staticmethod(answer), "kind": kind, "server": server}
    return {_ALL: type(name, (base or StdlibHandler,), members)}


class Server:
    """What a handler has as `self.server` if the program has no server object of its own."""

    def __init__(self, handler: Factory) -> None:
        self.RequestHandlerClass = handler
        self.server_address = ("", 0)
        self.server_name = ""
        self.server_port = 0


class StdlibHandler(HostHandler):
    """Answers every method by calling `answer` with a connection; subclassed by `routes_of`."""

    decodes_path = True  # SimpleHTTPRequestHandler does
    any_method = True
    answer: Callable[..., object]
    kind: Any
    server: Any

    def __init__(self, request: Request, groups: Groups) -> None:
        super().__init__(request, groups)
        self._has_handled_expect = False

    def check_continue(self) -> bool:
        """Call `handle_expect_100` of a class that overrides it; the answer that it sends instead of 100 is sent."""
        if super().check_continue() is False:
            return False
        kind = self.kind
        asks = getattr(kind, "handle_expect_100", None)
        if not isinstance(kind, type) or asks is BaseHTTPRequestHandler.handle_expect_100:
            return True
        self._has_handled_expect = True
        channel = Channel(self.request.method)
        handler: Any = object.__new__(kind)
        handler.request = self._wire(channel, io.BytesIO(self._head(expecting=True)))
        handler.client_address, handler.server = self.request.client_address, self._server()
        handler.setup()
        handler.raw_requestline = handler.rfile.readline()
        goes_on: bool = handler.parse_request()
        handler.finish()
        if goes_on:
            return True
        channel.end()
        raise HTTPError(channel.status, channel.wait(), channel.headers, channel.reason)

    def respond(self) -> Result:
        channel = Channel(self.request.method)
        received = io.BufferedReader(_Received(self._head(expecting=not self._has_handled_expect), self.request.rfile))
        wire = self._wire(channel, received)
        _threads.run(functools.partial(self._run, channel, wire))
        body = channel.wait()
        self.take_fields(channel.headers)
        if body is not None and channel.failure is not None:
            _log.error("%s raised after its answer", type(self).__qualname__, exc_info=channel.failure)
        result = channel if body is None else body
        return (channel.status, result) if channel.reason is None else (channel.status, channel.reason, result)

    def _run(self, channel: Channel, wire: Wire) -> None:
        """Run the handler; in a thread of `_threads`."""
        try:
            self.answer(wire, self.request.client_address, self._server())
        except BaseException as error:
            channel.end(error)
        else:
            channel.end()

    def _wire(self, channel: Channel, received: IO[bytes]) -> Wire:
        return Wire(channel, received, self.request)

    def _server(self) -> Any:
        server = self.server
        if isinstance(server, Server) and not server.server_port:
            server.server_address = host, port = self.request.server_address
            server.server_name, server.server_port = host, port
        return server

    def _head(self, expecting: bool) -> bytes:
        """Return the request's head as it was received, but with the path in normal form, and with a Content-Length if
        the body was chunked, as it has been decoded. expecting: keep the field Expect."""
        head = self.request.head
        lines = [f"{head.method} {head.resource} HTTP/1.{head.minor}"]
        for name, value in head.fields:
            low = name.lower()
            if low == "transfer-encoding":
                name, value = "Content-Length", str(_length_of(self.request.rfile))
            if low != "expect" or expecting:
                lines.append(f"{name}: {value}")
        return "\r\n".join([*lines, "\r\n"]).encode("latin-1")


class _Received(io.RawIOBase):
    """A request as a stream of bytes: its head, then its body."""

    def __init__(self, head: bytes, body: IO[bytes]) -> None:
        super().__init__()
        self._left = head
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._left[: len(buffer)] or self._body.read(len(buffer))
        self._left = self._left[len(data) :]
        buffer[: len(data)] = data
        return len(data)


def _length_of(stream: IO[bytes]) -> int:
    length = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    return length


def hosted(handler: Factory) -> Factory:
    """Return the handler adapted to webpy: one request a connection, and messages in webpy's error log.

    Methods that the class overrides are kept. `log_request` logs nothing, as webpy's access log has a line for each
    request.
    """
    if isinstance(handler, functools.partial):
        return functools.partial(hosted(handler.func), *handler.args, **handler.keywords)
    kind: Any = handler
    if not (isinstance(kind, type) and issubclass(kind, BaseHTTPRequestHandler)):
        return handler
    members: dict[str, Any] = {name: getattr(kind, name) for name in ("__module__", "__qualname__", "__doc__")}
    ours = {"handle": _handle, "log_message": _log_message}
    if kind.log_message is BaseHTTPRequestHandler.log_message:
        ours |= {"log_request": _log_nothing, "log_error": _log_error}
    for name, function in ours.items():
        if getattr(kind, name) is getattr(BaseHTTPRequestHandler, name):
            members[name] = function
    made: Factory = type(kind.__name__, (kind,), members)
    return made


def _handle(self: BaseHTTPRequestHandler) -> None:
    """Handle one request only: an unread body must not be taken for the next request."""
    self.close_connection = True
    self.handle_one_request()


def _log_message(self: BaseHTTPRequestHandler, format: str, *arguments: Any) -> None:
    _log.info("%s %s", self.address_string(), _printable(format % arguments))


def _log_error(self: BaseHTTPRequestHandler, format: str, *arguments: Any) -> None:
    _log.error("%s %s", self.address_string(), _printable(format % arguments))


def _log_nothing(self: BaseHTTPRequestHandler, code: Any = "-", size: Any = "-") -> None:
    pass


def _printable(text: str) -> str:
    """Return the message on one line, with control characters escaped: it may quote what a client sent."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
