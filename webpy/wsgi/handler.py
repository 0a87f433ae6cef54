"""Owns `WSGIHandler`: it calls an application and makes webpy's answer of its result (PEP 3333).

The worker sends plain bytes without a Content-Length field fastest, so an answer in one piece becomes that. Results
with a `close` become streams (`bodies`), which are closed when they have been sent.
"""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

from ..framework.handler import HTTPHandler
from ..framework.headers import HTTPHeaders
from ..framework.hosting import HostHandler, host_class
from ..framework.response import ClosingBody, Response, Result
from ..framework.routing.routes import mount_point
from ..protocol.grammar import SEGMENTS
from .bodies import PiecesBody, checked, close_result
from .environ import Environ, FileWrapper, add_tls_client, of_head
from .starting import Fields, Started, read_start

__all__ = ["Application", "WSGIHandler", "new"]

Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType]

_WRITTEN_BYTES = 1 << 18  # of what `write` was given, before it goes to a file
_MADE: frozenset[type] = frozenset({type(iter([])), type(iter(()))})  # iterators that run nothing of the application's
_new_response = Response.__new__
_new_headers = HTTPHeaders.__new__


def new(
    app: Application, remote: str = "", *, handler: type[WSGIHandler] | None = None
) -> dict[str, type[HTTPHandler]]:
    """Return routes that answer every path below `remote` with the WSGI application `app`.

    remote: a path without a slash at its end, percent-encoded, such as "/shop"; empty for all paths.
    handler: a subclass of `WSGIHandler`, for example with mix-ins in front.

    Raises TypeError for an application that cannot be called or any other `handler`, ValueError for an invalid
    `remote`.
    """
    base = host_class(handler, WSGIHandler, "webpy.wsgi.new")
    if not callable(app):
        raise TypeError(f"WSGI application: got {app!r:.60}, wanted a callable")
    if not isinstance(remote, str) or not SEGMENTS.fullmatch(remote):
        raise ValueError(f"remote: got {remote!r}, wanted a path such as '/shop', without a slash at its end")
    remote = mount_point(remote)
    name = getattr(app, "__qualname__", None) or type(app).__qualname__
    # the error log names requests by their handler
    made = type(f"WSGI {name}", (base,), {"app": staticmethod(app), "prefix": remote, "__module__": base.__module__})
    return {f"{re.escape(remote)}(?:/.*|\\?.*)?" if remote else "/.*": made}


class WSGIHandler(HostHandler):
    """Answers every method by calling `app`. `new` makes a subclass for each application that is mounted.

    Behind a mix-in of `webpy.auth`, the application finds REMOTE_USER and AUTH_TYPE.
    """

    app: Application
    prefix = ""
    decodes_path = True
    any_method = True

    auth: Any = None  # the user, set by a mix-in of `webpy.auth` in front
    _started: Started | None = None
    _written: tempfile.SpooledTemporaryFile[bytes] | None = None
    _is_sent = False

    def respond(self) -> Result:
        result = self.app(self._environ(), self._start_response)
        if type(result) is list and len(result) == 1 and self._started is not None and self._written is None:
            body = result[0]  # the most common case by far
            if type(body) is bytes:
                return self._answer_whole(body)
        try:
            return self._answer(result)
        except BaseException:
            close_result(result)
            raise

    def _environ(self) -> Environ:
        request = self.request
        head = request.head
        client, scheme, host = origin = request.origin
        server = request.server_address
        known = head.kept
        environ: Environ
        if (
            known is not None
            and known[0] is self.__class__
            and known[1] == server
            and known[2] == scheme
            and known[3] == host
        ):
            environ = known[4].copy()
        else:
            environ = of_head(head, self.prefix, origin, server)
            environ["wsgi.multithread"] = request.multithread
            # Heads that come once are many, and a copy would be for nothing: it is kept when the head comes again.
            kept = environ.copy() if known else None
            head.kept = (self.__class__, None if known is None else server, scheme, host, kept)
        environ["REMOTE_ADDR"], port = client
        environ["REMOTE_PORT"] = str(port)
        if head.content_length or head.chunked:
            stream = request.rfile
        else:
            stream = request.rfile = io.BytesIO()  # as `Request` makes it when asked, in a third of the time
        environ["wsgi.input"] = stream
        if head.chunked:
            environ["CONTENT_LENGTH"] = str(stream.seek(0, io.SEEK_END))
            stream.seek(0)
        if scheme == "https" and (shown := request.tls_client) is not None:
            add_tls_client(environ, shown)
        if self.auth is not None and isinstance(self.auth, str):  # RFC 3875 sections 4.1.1 and 4.1.11
            environ["REMOTE_USER"] = self.auth
            environ["AUTH_TYPE"] = (head.get("authorization") or "").partition(" ")[0].capitalize()
        return environ

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        """The application's `start_response` (PEP 3333, "The start_response() Callable"); returns `write`."""
        if exc_info is not None:
            try:
                if self._is_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # or the traceback and this frame would hold each other
        elif self._started is not None:
            raise AssertionError("start_response was called a second time without exc_info")
        self._started = read_start(status, headers)
        return self._write

    def _write(self, data: bytes) -> None:
        if not isinstance(data, bytes):
            raise TypeError(f"write() was given {data!r:.60}, wanted bytes")
        if self._written is None:
            self._written = tempfile.SpooledTemporaryFile(_WRITTEN_BYTES)  # noqa: SIM115 - sent and closed later
        self._written.write(data)

    def _answer_whole(self, body: bytes) -> Result:
        """Return an answer in one piece, of a result that needs no closing."""
        started = self._started
        assert started is not None
        fields = started.fields if started.length != len(body) else started.without_length
        if self._response is None:  # no mix-in has set anything: inlined `_take`, whose calls would cost 0.3 µs
            response = self._response = _new_response(Response)
            headers = response.headers = _new_headers(HTTPHeaders)
            headers._fields = fields  # type: ignore[assignment]
        else:
            self._take(fields)
        if started.reason is None:
            return started.status, body
        return started.status, started.reason, body

    def _answer(self, result: Any) -> Result:
        if type(result) is FileWrapper and self._written is None:
            return self._result(result.filelike if hasattr(result.filelike, "close") else result)
        if isinstance(result, (list, tuple)) and self._written is None and not hasattr(result, "close"):
            return self._whole_or_fail(b"".join(checked(piece) for piece in result))
        pieces = iter(result)
        if type(pieces) in _MADE and self._written is None and self._started is not None:
            return self._answer_made(result, b"".join([checked(piece) for piece in pieces]))
        first = b""
        for piece in pieces:  # PEP 3333 lets an application call start_response as late as here
            first = checked(piece)
            if first:
                break
        started = self._start_or_fail()
        if self._written is None and started.length == len(first) and self.request.method != "HEAD":
            return self._result(ClosingBody(first, result), started.without_length)
        return self._result(PiecesBody(self._written, first, pieces, result))

    def _answer_made(self, result: Any, body: bytes) -> Result:
        """Return an answer whose body was made before it was asked for, as Django's are: so it has a length."""
        started = self._start_or_fail()
        if self.request.method == "HEAD" or (started.length is not None and started.length != len(body)):
            return self._result(PiecesBody(None, body, iter(()), result))
        return self._result(ClosingBody(body, result), started.without_length)

    def _whole_or_fail(self, body: bytes) -> Result:
        self._start_or_fail()
        return self._answer_whole(body)

    def _start_or_fail(self) -> Started:
        if self._started is None:
            raise AssertionError("the application returned and has not called start_response")
        return self._started

    def _result(self, body: Any, fields: Fields | None = None) -> Result:
        started = self._start_or_fail()
        self._is_sent = True
        self._take(started.fields if fields is None else fields)
        return (started.status, body) if started.reason is None else (started.status, started.reason, body)

    def _take(self, fields: Fields) -> None:
        """Make `fields` those of this answer. Each answer has its own copy, as mix-ins may change it."""
        if self._response is None:
            self._response = Response(HTTPHeaders.of(fields))
        else:
            self.take_fields([(name, value) for _, name, value in fields])
