"""Owns what becomes of an exception that application code raised: a line in the error log, and an answer.

An HTTPError is the answer its handler meant; a store that cannot be used, or a full disk, has a status of its own; all
else is a 500, and the client sees nothing of it. Called by whoever ran the application's code, on any thread that does
not hold the lead.
"""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING, Any

from ..framework.errors import HTTPError, HTTPErrorHandler, Unavailable
from ..framework.merging import add_cookies
from ..framework.request import Request
from ..logthrottle import log_throttled
from .core import Core
from .intake import BrokenOff
from .output import name_of
from .plan import Plan

if TYPE_CHECKING:
    from types import TracebackType

    from ..framework.handler import HTTPHandler
    from ..framework.routes import RouteTable

__all__ = ["Failures"]

_LONGEST_CHAIN = 20  # of exceptions, each raised because of the next
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Failures:
    """Makes answers of exceptions, by the server's error routes."""

    def __init__(self, core: Core, routes: RouteTable) -> None:
        self._core = core
        self._routes = routes

    def answer(
        self, plan: Plan, request: Request, error: BaseException, handler: HTTPHandler | None = None
    ) -> tuple[Any, Any]:
        """The error handler and its result for what `handler` raised; anything but HTTPError is logged and a 500.

        So is SystemExit, KeyboardInterrupt or GeneratorExit: a handler ends its request, never the worker. Cookies that
        the handler had set are sent with an HTTPError, which it meant, and with nothing else. Raises nothing. Not for
        whoever holds the lead.
        """
        log = self._core.log.now
        told: Any = error
        if not issubclass(type(error), HTTPError):  # isinstance asks the error itself
            told = self._told(plan, request, error)
            handler = None
        try:
            renderer: Any = self._routes.error_handler(request, told)
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

    def _told(self, plan: Plan, request: Request, error: BaseException) -> HTTPError:
        """Log what a handler raised, and give the error to answer with. Raises nothing."""
        log, kind = self._core.log.now, type(error)  # isinstance would ask the error itself
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
        return HTTPError(500)


def _place_of(trace: TracebackType | None) -> str:
    """File and line where something was raised."""
    if trace is None:
        return "somewhere"
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def _without_own_frame(error: BaseException) -> BaseException:
    """The error, its trace beginning with the application's frame; an exception's class may do as it likes."""
    with contextlib.suppress(BaseException):
        return error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)
    return error


def _client_left(error: BaseException) -> bool:
    """Whether an exception came of a body that broke off, whatever a handler made of it."""
    seen: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if seen is None or issubclass(type(seen), BrokenOff):  # isinstance asks the error itself
            return seen is not None
        seen = seen.__cause__ or seen.__context__
    return False
