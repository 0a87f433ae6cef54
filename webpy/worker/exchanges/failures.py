"""Owns what becomes of an exception that application code raised: a line in the error log, and an answer.

An HTTPError is the answer its handler meant; a store that cannot be used, or a full disk, has a status of its own; all
else is a 500, and the client sees nothing of it. Called by the thread that ran the application's code, which does not
hold the lead.
"""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING, Any

from ...framework.errorhandler import HTTPErrorHandler
from ...framework.errors import HTTPError, Unavailable
from ...framework.merging import add_cookies
from ...framework.request import Request
from ...logthrottle import log_throttled
from .intake import BrokenOff
from .plan import Plan, name_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ...framework.handler import HTTPHandler
    from ...framework.routing.routes import RouteTable
    from ..log.errorlog import ErrorLog

__all__ = ["Failures"]

_LONGEST_CHAIN = 20  # of exceptions, each raised because of the next
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Failures:
    """Makes answers of exceptions, by the server's error routes.

    on_fault: called with the connection and the exception for each fault of the application that the client sees as a
    500 or as an answer that breaks off; for `webpy.testing`, which raises it in the test.

    explain: returns an answer that shows the exception, or None to answer as always; None but for `webpy dev`.
    """

    def __init__(self, log: ErrorLog, routes: RouteTable) -> None:
        self.on_fault: Callable[[object, BaseException], None] = _ignore
        self._log = log
        self._routes = routes
        self.explain: Callable[[Request, BaseException], HTTPErrorHandler | None] | None = None

    def answer(
        self, plan: Plan, request: Request, error: BaseException, handler: HTTPHandler | None = None
    ) -> tuple[Any, Any]:
        """Return the error handler and its result for what `handler` raised; all but HTTPError is logged, and a 500.

        So is SystemExit, KeyboardInterrupt or GeneratorExit: a handler ends its request, never the worker. Cookies that
        the handler had set are sent with an HTTPError, which it meant, and with nothing else. Raises nothing.
        """
        log = self._log.now
        told: Any = error
        renderer: Any = None
        if not issubclass(type(error), HTTPError):  # isinstance asks the error itself
            told = self._told(plan, request, error)
            handler = None
            if told.status == 500:
                renderer = self.explanation(request, error)
        try:
            if renderer is None:
                renderer = self._routes.error_handler(request, told)
            result = renderer.respond()
            response = None if handler is None else handler._response
            if response is not None and (cookies := response.headers.getlist("Set-Cookie")):
                own = renderer.response.headers.getlist("Set-Cookie")
                add_cookies(renderer.response.headers, cookies)
                add_cookies(renderer.response.headers, own)  # the error's own come last, and win
            if request.has_error_headers:
                renderer.response.headers.add_missing(request.error_headers)
        except BaseException as again:
            if not issubclass(type(again), HTTPError):
                log.error("the error handler of %s raised", name_of(plan, request), exc_info=again)
            renderer = HTTPErrorHandler(request, plan.groups, HTTPError(500))
            result = renderer.respond()
            with contextlib.suppress(BaseException):
                if request.has_error_headers:
                    renderer.response.headers.add_missing(request.error_headers)
        return renderer, result

    def explanation(self, request: Request, error: BaseException) -> HTTPErrorHandler | None:
        """Return the answer that shows an exception, None outside of development. Raises nothing."""
        if self.explain is None:
            return None
        try:
            return self.explain(request, error)
        except BaseException as again:
            self._log.now.error("the exception cannot be shown", exc_info=again)
            return None

    def _told(self, plan: Plan, request: Request, error: BaseException) -> HTTPError:
        """Log what a handler raised, and return the error to answer with. Raises nothing."""
        log, kind = self._log.now, type(error)  # isinstance would ask the error itself
        if _client_left(error):
            log.info("%s raised %r as its client left", name_of(plan, request), error)
            return HTTPError(500)
        with contextlib.suppress(BaseException):
            trace = error.__traceback__ and error.__traceback__.tb_next  # without our own frame
            if issubclass(kind, Unavailable):
                log_throttled(log, str(error), name_of(plan, request))
                return HTTPError(503, headers={"Retry-After": "1"})
            if isinstance(error, OSError) and error.errno in _NO_ROOM:
                file = "" if error.filename is None else f", {error.filename!r}"
                log_throttled(log, str(error.strerror), f"{name_of(plan, request)}, {_place_of(trace)}{file}")
                return HTTPError(507)  # RFC 4918 section 11.5
        log.error("%s raised", name_of(plan, request), exc_info=_without_own_frame(error))
        self.on_fault(request._peer, error)
        return HTTPError(500)


def _ignore(_peer: object, _error: BaseException) -> None:
    """Stand for `on_fault` where nobody asks."""


def _place_of(trace: TracebackType | None) -> str:
    """Return the file and line where something was raised."""
    if trace is None:
        return "somewhere"
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def _without_own_frame(error: BaseException) -> BaseException:
    """Return the error with a trace that begins with the application's frame; unchanged if its class objects."""
    with contextlib.suppress(BaseException):
        return error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)
    return error


def _client_left(error: BaseException) -> bool:
    """Return whether an exception came of a body that broke off, whatever a handler made of it."""
    seen: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if seen is None or issubclass(type(seen), BrokenOff):  # isinstance asks the error itself
            return seen is not None
        seen = seen.__cause__ or seen.__context__
    return False
