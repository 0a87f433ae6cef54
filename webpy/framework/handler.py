"""Owns `HTTPHandler`, what applications subclass: one object answers one request. No sockets, no threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .errors import HTTPError
from .order import Rank, check_order
from .request import Request
from .response import Answering

if TYPE_CHECKING:
    from collections.abc import Callable

    from .response import Body, Result
    from .routes import Groups

__all__ = ["HTTPHandler"]


class HTTPHandler(Answering):
    """Answers the requests of a route: `do_get`, `do_put`, `do_anything`, the method in lower case.

    A method returns (status, body) or (status, reason, body). `self.groups` holds what the route's regex captured,
    `self.request` the request, `self.response.headers` what to send beside the body.

    atomic: one writer, or many readers (GET, HEAD, OPTIONS), of a resource (its path) at a time, across all workers,
    until the method has returned; who waits 30 s in vain is answered with 503.
    stream: start as soon as the head is there; `request.rfile` then reads the body as it arrives. As that takes a
    thread for as long as the client takes, at most half of `--threads` do so at once, and others begin later; under TLS
    and with `--threads 1` the body is received first.
    decodes_path: the handler percent-decodes the path to find what it answers with, as a host of files or of WSGI
    applications does; beside other routes it then gets no path that another route has under another spelling, and none
    with an escaped "/" or NUL.
    any_method: the handler answers methods beside those that `methods()` names, as an application of WSGI may; then no
    method counts as unknown.
    """

    atomic = False
    stream = False
    decodes_path = False
    any_method = False
    #: what has several routes, of which this handler is one: they are no other routes to it
    _host: object = None
    #: whether some handler of the server answers the request's method; the worker says when none does
    is_method_known = True
    #: methods that `atomic` lets run side by side (the safe ones, RFC 9110 section 9.2.1)
    nonatomic = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
    #: where a mix-in of webpy stands among others: see `webpy.order`
    mixin_rank: ClassVar[Rank | None] = None

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Raises TypeError for mix-ins of webpy in an order that would not be safe; the message says the right one."""
        super().__init_subclass__(**keywords)
        check_order(cls)

    def __init__(self, request: Request, groups: Groups) -> None:
        self.request = request
        self.groups = groups

    @classmethod
    def methods(cls) -> list[str]:
        """The methods this handler answers, in upper case and in order."""
        found = (name for name in dir(cls) if name.startswith("do_") and name.islower())
        names = {name[3:].upper() for name in found if callable(getattr(cls, name))}
        if "GET" not in names and cls.do_head is HTTPHandler.do_head:
            names.discard("HEAD")
        return sorted(names)

    @classmethod
    def method_for(cls, method: str) -> Callable[[HTTPHandler], Any] | None:
        """The function that answers `method`, as sent: methods are case-sensitive (RFC 9110 section 9.1)."""
        found = getattr(cls, "do_" + method.lower(), None) if method == method.upper() else None
        return found if callable(found) else None

    def do_options(self) -> Result:
        """204 and the methods there are (RFC 9110 section 9.3.7)."""
        self.response.headers.set("Allow", ", ".join(self.methods()))
        return 204, None

    def do_head(self) -> Result:
        """What `do_get` answers; its body is measured and not sent (RFC 9110 section 9.3.2)."""
        get = getattr(self, "do_get", None)
        if get is None:
            raise self.not_allowed()
        return get()

    def check_continue(self) -> bool | None:
        """Whether a client that asked (`Expect: 100-continue`) shall send its body: False answers 417, or raise."""
        return True

    def get_body(self) -> bool | None:
        """Called when a body arrived: whether `request.body` shall be what `decode` makes of it.

        One that overrides it may also read `request.rfile`, set `request.body` by itself and give False or None.
        """
        return True

    def decode(self, body: bytes) -> Any:
        """What `request.body` shall be for this body; an overriding method may raise `HTTPError`."""
        return body

    def encode(self, body: Any) -> Body:
        """What shall be sent for the body that a method returned."""
        return body  # type: ignore[no-any-return]

    def respond(self) -> Result:
        """Answer the request: body in, method, body out. Override to wrap every method of a handler."""
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
        if cls.encode is HTTPHandler.encode or not isinstance(result, (tuple, list)) or not result:
            return result
        *status, body = result
        return (*status, self.encode(body))

    def not_allowed(self) -> HTTPError:
        """405 with the methods there are (RFC 9110 section 15.5.6); 501 for a method that no handler of the server
        answers (section 15.6.2)."""
        if not self.is_method_known:
            return HTTPError(501)
        error = HTTPError(405)
        self.response.headers.set("Allow", ", ".join(self.methods()))
        error.headers = self.response.headers
        return error
