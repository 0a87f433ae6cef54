"""Owns `HTTPHandler`, the class that applications subclass; one object answers one request. No sockets, no threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .errors import HTTPError
from .later import Later
from .order import Rank, check_order
from .request import Request
from .response import Answering

if TYPE_CHECKING:
    from collections.abc import Callable

    from .groups import Groups
    from .response import Body, Result

__all__ = ["HTTPHandler"]


class HTTPHandler(Answering):
    """Answers the requests of a route: `do_get`, `do_put`, `do_anything`, the method in lower case.

    A method returns (status, body) or (status, reason, body). `self.groups` holds what the route's regex captured,
    `self.request` the request, and `self.response.headers` the fields to send.

    atomic: across all workers, only one writer, or any number of readers (GET, HEAD, OPTIONS, TRACE), of a resource
    (its path) run at a time, until the method has returned. A request that waits longer than 30 s is answered with 503.
    stream: the handler starts as soon as the head has arrived, and `request.rfile` reads the body as it arrives. This
    occupies a thread for as long as the client takes, so at most half of `--threads` do it at once, and other requests
    wait their turn. With `--threads 1` the body is received first.
    decodes_path: the handler percent-decodes the path, as hosts of files and of WSGI applications do. If there are
    other routes, it gets no path that one of them matches under another spelling, and none with an escaped "/" or NUL.
    any_method: the handler may answer more methods than `methods()` names, as a WSGI application may; no method is then
    answered with 501 as unknown.
    """

    atomic = False
    stream = False
    decodes_path = False
    any_method = False
    #: the host that made this handler's route, if it made several; `decodes_path` does not count them as other routes
    _host: object = None
    #: whether any handler of the server answers the request's method; the worker sets it to False if none does
    is_method_known = True
    #: the methods that count as readers for `atomic`: the safe ones (RFC 9110 section 9.2.1)
    nonatomic = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
    #: the place of one of webpy's mix-ins among the others: see `order`
    mixin_rank: ClassVar[Rank | None] = None

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Raises TypeError, with the right order in its message, if webpy's mix-ins are in an unsafe order."""
        super().__init_subclass__(**keywords)
        check_order(cls)

    def __init__(self, request: Request, groups: Groups) -> None:
        self.request = request
        self.groups = groups

    @classmethod
    def methods(cls) -> list[str]:
        """Return the methods that this handler answers, in upper case, sorted."""
        found = (name for name in dir(cls) if name.startswith("do_") and name.islower())
        names = {name[3:].upper() for name in found if callable(getattr(cls, name))}
        if "GET" not in names and cls.do_head is HTTPHandler.do_head:
            names.discard("HEAD")
        return sorted(names)

    @classmethod
    def method_for(cls, method: str) -> Callable[[HTTPHandler], Any] | None:
        """Return the function that answers `method`, or None. Methods are case-sensitive (RFC 9110 section 9.1)."""
        found = getattr(cls, "do_" + method.lower(), None) if method == method.upper() else None
        return found if callable(found) else None

    def do_options(self) -> Result:
        """Answer 204, with the handler's methods in Allow (RFC 9110 section 9.3.7)."""
        self.response.headers.set("Allow", ", ".join(self.methods()))
        return 204, None

    def do_head(self) -> Result:
        """Answer as `do_get` does; the body's length is sent, but not the body (RFC 9110 section 9.3.2)."""
        get = getattr(self, "do_get", None)
        if get is None:
            raise self.not_allowed()
        return get()

    def check_continue(self) -> bool | None:
        """Return whether a client that sent `Expect: 100-continue` shall send its body; False answers 417.

        A method that overrides it may raise HTTPError for another answer.
        """
        return True

    def get_body(self) -> bool | None:
        """Called when the body has arrived; return True to have `request.body` set to what `decode` returns.

        A method that overrides it may read `request.rfile`, set `request.body` itself, and return False or None.
        """
        return True

    def decode(self, body: bytes) -> Any:
        """Return the value for `request.body`, made from the body's bytes. Override it; it may raise HTTPError."""
        return body

    def encode(self, body: Any) -> Body:
        """Return what to send for the body that a method returned. Override it."""
        return body  # type: ignore[no-any-return]

    def respond(self) -> Result:
        """Decode the body, call the method, and encode what it returns. Override it to wrap all methods."""
        cls = type(self)
        request = self.request
        method = cls.method_for(request.method)
        if method is None:
            raise self.not_allowed()
        hooked = cls.decode is not HTTPHandler.decode or cls.get_body is not HTTPHandler.get_body
        arrived = not cls.stream and (request.head.chunked or request.head.content_length)
        if hooked and arrived and self.get_body():
            request.body = self.decode(request.rfile.read())
        result = method(self)
        if cls.encode is HTTPHandler.encode:
            return result
        return result.then(self._encode_result) if type(result) is Later else self._encode_result(result)

    def _encode_result(self, result: Result) -> Result:
        if not isinstance(result, (tuple, list)) or not result:
            return result
        *status, body = result
        return (*status, self.encode(body))

    def not_allowed(self) -> HTTPError:
        """Return the error 405 with the handler's methods in Allow (RFC 9110 section 15.5.6), or 501 if no handler of
        the server answers the method (section 15.6.2)."""
        if not self.is_method_known:
            return HTTPError(501)
        error = HTTPError(405)
        self.response.headers.set("Allow", ", ".join(self.methods()))
        error.headers = self.response.headers
        return error
