"""Owns the call of an application and what becomes of its answer (PEP 3333, "Specification Details").

The worker sends bytes without a Content-Length of their own the quickest way, so an answer in one piece is made into
that; bodies with a `close` go as streams, which are closed when they have been sent.

What `start_response` was told is remembered, as applications say the same few things again and again; each answer gets
fields of its own from it, as mix-ins may change them.
"""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from types import TracebackType
from typing import Any, NoReturn

from ..framework.handler import HTTPHandler
from ..framework.headers import HTTPHeaders
from ..framework.hosting import HostHandler, host_class
from ..framework.response import NO_TYPE, Response, Result
from ..framework.routes import mount_point
from ..protocol import REASONS
from .environ import Environ, FileWrapper, of_head

__all__ = ["Application", "WSGIHandler", "new"]

Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType]
Fields = tuple[tuple[str, str, str], ...]

_PREFIX = re.compile(r"(?:/[A-Za-z0-9\-._~!$&'()*+,;=:@%]+)*")  # segments, RFC 3986 section 3.3
_STATUS = re.compile(r"([2-5][0-9]{2}) ([^\x00-\x08\x0a-\x1f\x7f]*)")
_WRITTEN_BYTES = 1 << 18  # of what `write` was given, before it goes to a file
_HOP_BY_HOP = frozenset({"keep-alive", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade"})
_new_response = Response.__new__
_new_headers = HTTPHeaders.__new__
_MOST_FIELDS = 256  # sets of an answer's fields that are remembered


def new(
    app: Application, remote: str = "", *, handler: type[WSGIHandler] | None = None
) -> dict[str, type[HTTPHandler]]:
    """Routes that answer every path below `remote` by the WSGI application `app`.

    remote: a path without a slash at its end, percent-encoded; empty for all paths; handler: a
    subclass of `WSGIHandler`, for example with a mix-in in front. Raises TypeError for an application that cannot be
    called, or another handler, ValueError for another `remote`.
    """
    base = host_class(handler, WSGIHandler, "webpy.wsgi.new")
    if not callable(app):
        raise TypeError(f"WSGI application: got {app!r:.60}, wanted a callable")
    if not isinstance(remote, str) or not _PREFIX.fullmatch(remote):
        raise ValueError(f"remote: got {remote!r}, wanted a path such as '/shop', without a slash at its end")
    remote = mount_point(remote)
    name = getattr(app, "__qualname__", None) or type(app).__qualname__
    # in the error log a request is called by its handler's name
    made = type(f"WSGI {name}", (base,), {"app": staticmethod(app), "prefix": remote, "__module__": base.__module__})
    return {f"{re.escape(remote)}(?:/.*|\\?.*)?" if remote else "/.*": made}


class WSGIHandler(HostHandler):
    """Answers any method by calling `app`; made by `new`, once for each application that is mounted.

    Behind a mix-in of `webpy.auth` the application finds REMOTE_USER and AUTH_TYPE.
    """

    app: Application
    prefix = ""
    decodes_path = True
    any_method = True

    auth: Any = None  # who asks, where a mix-in of `webpy.auth` stands before it
    _started: _Started | None = None
    _written: tempfile.SpooledTemporaryFile[bytes] | None = None
    _is_sent = False

    def respond(self) -> Result:
        result = self.app(self._environ(), self._start_response)
        if type(result) is list and len(result) == 1 and self._started is not None and self._written is None:
            body = result[0]  # by far the most common answer
            if type(body) is bytes:
                return self._answer_whole(body)
        try:
            return self._answer(result)
        except BaseException:
            _close(result)
            raise

    def _environ(self) -> Environ:
        request = self.request
        head = request.head
        scheme = request.scheme
        server = request.server_address
        known = head.kept
        if known is not None and known[0] is self.__class__ and known[1] == server and known[2] == scheme:
            environ: Environ = known[3].copy()
        else:
            made = of_head(head, self.prefix, scheme, server)
            made["wsgi.multithread"] = request.multithread
            head.kept = (self.__class__, server, scheme, made)
            environ = made.copy()
        environ["REMOTE_ADDR"], port = request.client_address
        environ["REMOTE_PORT"] = str(port)
        environ["wsgi.input"] = stream = request.rfile
        if head.chunked:
            environ["CONTENT_LENGTH"] = str(stream.seek(0, io.SEEK_END))
            stream.seek(0)
        if self.auth is not None and isinstance(self.auth, str):  # RFC 3875 sections 4.1.1 and 4.1.11
            environ["REMOTE_USER"] = self.auth
            environ["AUTH_TYPE"] = (head.get("authorization") or "").partition(" ")[0].capitalize()
        return environ

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        """PEP 3333, "The start_response() Callable"."""
        if exc_info is not None:
            try:
                if self._is_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # or the traceback and this frame would hold each other
        elif self._started is not None:
            raise AssertionError("start_response was called a second time without exc_info")
        self._started = _started(status, headers)
        return self._write

    def _write(self, data: bytes) -> None:
        if not isinstance(data, bytes):
            raise TypeError(f"write() was given {data!r:.60}, wanted bytes")
        if self._written is None:
            self._written = tempfile.SpooledTemporaryFile(_WRITTEN_BYTES)  # noqa: SIM115 - sent and closed later
        self._written.write(data)

    def _answer_whole(self, body: bytes) -> Result:
        """An answer of which nothing is left to close."""
        started = self._started
        assert started is not None
        fields = started.fields if started.length != len(body) else started.without_length
        if self._response is None:  # no mix-in has set anything: `_take` in place, as its calls would cost 0.3 µs
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
            return self._whole_or_fail(b"".join(_checked(piece) for piece in result))
        pieces = iter(result)
        first = b""
        for piece in pieces:  # PEP 3333 lets an application call start_response as late as here
            first = _checked(piece)
            if first:
                break
        started = self._start_or_fail()
        if self._written is None and started.length == len(first) and self.request.method != "HEAD":
            return self._result(_Closing(first, result), started.without_length)
        return self._result(_Pieces(self._written, first, pieces, result))

    def _whole_or_fail(self, body: bytes) -> Result:
        self._start_or_fail()
        return self._answer_whole(body)

    def _start_or_fail(self) -> _Started:
        if self._started is None:
            raise AssertionError("the application returned and has not called start_response")
        return self._started

    def _result(self, body: Any, fields: Fields | None = None) -> Result:
        started = self._start_or_fail()
        self._is_sent = True
        self._take(started.fields if fields is None else fields)
        return started.status, started.reason, body

    def _take(self, fields: Fields) -> None:
        """Make the fields those of this answer; into a response of its own, as mix-ins may change it."""
        if self._response is None:
            self._response = Response(HTTPHeaders.of(fields))
        else:
            self.take_fields([(name, value) for _, name, value in fields])


class _Started:
    """What start_response was told: shared by all answers that are told the same, so nothing in it can be changed.

    reason: None for the registered one; length: the Content-Length it named; fields: as of `HTTPHeaders.frozen`.
    """

    __slots__ = ("fields", "length", "reason", "status", "without_length")

    def __init__(self, status: int, reason: str | None, headers: tuple[tuple[str, str], ...]) -> None:
        self.status = status
        self.reason = reason
        self.length: int | None = None
        fields = HTTPHeaders()
        for name, value in headers:
            low = name.lower()
            if low == "content-length":
                self.length = int(value) if value.isascii() and value.isdigit() else -1
            elif low in _HOP_BY_HOP:
                continue
            fields.add(name, value)
        if "Content-Type" not in fields:
            fields.add("Content-Type", NO_TYPE)
        self.fields = fields.frozen()
        self.without_length = tuple(field for field in self.fields if field[0] != "content-length")


_remembered: dict[tuple[Any, ...], _Started] = {}


def _started(status: str, headers: list[tuple[str, str]]) -> _Started:
    """What start_response was told, checked; raises TypeError and ValueError that name what is wrong."""
    try:
        key: tuple[Any, ...] = (status, *headers)
        known = _remembered.get(key)
    except TypeError:
        _refuse_headers(headers)
    if known is None:
        if type(headers) is not list or any(type(pair) is not tuple or len(pair) != 2 for pair in headers):
            _refuse_headers(headers)
        known = _Started(*_read_status(status), key[1:])
        if len(_remembered) >= _MOST_FIELDS:
            _remembered.clear()
        _remembered[key] = known
    return known


@lru_cache(256)
def _read_status(status: str) -> tuple[int, str | None]:
    found = _STATUS.fullmatch(status) if isinstance(status, str) else None
    if found is None:
        raise ValueError(f"start_response: got status {status!r:.60}, wanted such as '200 OK', from 200 to 599")
    number = int(found[1])
    return number, None if REASONS.get(number) == found[2] else found[2]


def _refuse_headers(headers: Any) -> NoReturn:
    raise TypeError(f"start_response: got headers {headers!r:.100}, wanted a list of tuples (name, value) of str")


def _checked(piece: Any) -> bytes:
    if not isinstance(piece, bytes):
        raise TypeError(f"the application's body has {piece!r:.60}, wanted bytes")
    return piece


def _close(result: Any) -> None:
    close = getattr(result, "close", None)
    if close is not None:
        close()


class _Closing(io.BytesIO):
    """A body in one piece whose application's result is closed when it has been sent."""

    def __init__(self, body: bytes, result: Any) -> None:
        super().__init__(body)
        self._result: Any = result

    def close(self) -> None:
        result, self._result = self._result, None
        super().close()
        if result is not None:
            _close(result)


class _Pieces:
    """A body in pieces: what was written, the first piece, and the others as they come."""

    def __init__(
        self, written: tempfile.SpooledTemporaryFile[bytes] | None, first: bytes, rest: Iterator[Any], result: Any
    ) -> None:
        self._written = written
        self._first = first
        self._rest = rest
        self._result = result

    def __iter__(self) -> Iterator[bytes]:
        if self._written is not None:
            self._written.seek(0)
            while block := self._written.read(65536):
                yield block
        if self._first:
            yield self._first
        for piece in self._rest:
            yield _checked(piece)

    def close(self) -> None:
        """The application's result is closed whatever becomes of the file."""
        try:
            if self._written is not None:
                self._written.close()
        finally:
            _close(self._result)
