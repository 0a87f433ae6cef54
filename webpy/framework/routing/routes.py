"""Owns the route table: which handler answers a resource, and how its method is called. No sockets, no threads.

The key of a route is a regex for path and query, a path template (`templates`), or one of both for one host (`hosts`).
Routes see the path in normal form (protocol/path.py) and no other spelling. A handler that decodes the path
(`decodes_path`) could still reach by `%40` what another route guards as `@`. So it gets a resource only if no other
route matches the resource under another spelling.

The worker resolves a request once per distinct head, and keeps what `RouteTable.resolve` returned.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ...protocol import ProtocolError
from ...protocol.path import decoded, escaped, hides_separator, is_normal, normal_path
from ..coroutines import coroutine_method
from ..errorhandler import HTTPErrorHandler, compile_error_routes
from ..errors import HTTPError
from ..groups import Groups
from ..handler import HTTPHandler
from .hosts import HostKey, covering, host_of
from .mixins import check_mixins, put_before
from .prefixes import PrefixIndex, literal_prefix, split_literal
from .templates import PathTemplate

if TYPE_CHECKING:
    from ..request import Request

__all__ = ["STANDARD_METHODS", "Route", "RouteTable", "compile_routes", "mount_point"]

STANDARD_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"})
"""RFC 9110 section 9.3, without CONNECT, which is refused earlier, and RFC 5789."""

Handler = type[HTTPHandler]
Routes = Mapping[Any, Handler]


_NO_GROUPS = Groups(re.compile("").fullmatch(""))  # type: ignore[arg-type]


class Route:
    """One regex or template, and its handler.

    key: a regex, compiled or not, or a `PathTemplate`; host: the name, or the wildcard, of the hosts whose requests may
    have this route, None if all may; pattern: the compiled regex for path and query; read: makes the groups of a match,
    or returns None if a capture cannot be converted; `read` is None if the pattern captures nothing.
    """

    __slots__ = ("decodes", "handler", "host", "key", "match", "pattern", "read", "telling_segments")

    def __init__(self, key: str | re.Pattern[str] | PathTemplate | HostKey, handler: Handler) -> None:
        self.host = key.host if isinstance(key, HostKey) else None
        self.key: str | re.Pattern[str] | PathTemplate = key.key if isinstance(key, HostKey) else key
        self.handler = handler
        self.read: Callable[[re.Match[str]], Groups | None] | None = Groups
        if isinstance(self.key, PathTemplate):
            self.pattern = self.key.pattern
            self.read = self.key.read
        else:
            self.pattern = re.compile(self.key)
        if not self.pattern.groups:
            self.read = None
        self.match = self.pattern.fullmatch
        self.decodes = False  # the handler decodes paths, and there are other routes
        #: how many of a path's first segments tell apart what the worker learns of it; 0: all paths are one
        self.telling_segments = self._stands_for_many()

    @property
    def name(self) -> str:
        """What messages call the route."""
        text = repr(self.key if isinstance(self.key, PathTemplate) else self.pattern.pattern)
        return text if self.host is None else f"{text} of host {self.host!r}"

    def capture(self, resource: str) -> Groups | None:
        """Return what the route captures of a resource, None if it does not match."""
        match = self.match(resource)
        if match is None:
            return None
        return _NO_GROUPS if self.read is None else self.read(match)

    _BELOW = 2  # the segments that a regex for many paths leaves open, as in /shop/(.*)

    def _stands_for_many(self) -> int:
        """Return the number of segments the regex names plus two if it matches any path below them, else 0."""
        base = literal_prefix(self.pattern).removesuffix("/")
        # two paths that no regex names
        if all(self.match(base + path) for path in ("/\N{SNOWMAN}/0", "/0/\N{SNOWMAN}/x?y=z")):
            return base.count("/") + self._BELOW
        return 0

    def complaint(self) -> str:
        """Return what is wrong if the beginning of the regex shows that it matches no request, else ""."""
        begins, rest = split_literal(self.pattern)
        begins = begins.partition("?")[0]
        if begins[:1] not in ("/", "*") and (begins or not rest):  # "*" is the server itself
            rooted = "/" + self.pattern.pattern.removeprefix("^")
            return f"route {self.name} matches no request: every path begins with '/': write {rooted!r}"
        begins = re.sub("%[0-9A-Fa-f]?$", "", begins)  # the rest of the escape is not literal
        if begins[:1] != "/" or is_normal(begins + "x"):
            return ""
        try:
            hint = f"write {normal_path(begins)!r}"
        except ProtocolError as error:
            hint = str(error)
        return f"route {self.name} matches no request, as routes see paths in normal form: {hint}"

    def call(self, method: str) -> Callable[[HTTPHandler], Any]:
        """Return the function that runs this handler for `method`: `do_<method>` itself if nothing is to be done around
        it, else `respond`."""
        cls = self.handler
        if cls.atomic:
            return cls.respond
        hooks = ("respond", "decode", "get_body", "encode")
        plain = all(getattr(cls, name) is getattr(HTTPHandler, name) for name in hooks)
        direct = cls.method_for(method) if plain else None
        return direct or cls.respond


class _NotFound(HTTPHandler):
    def respond(self) -> Any:
        raise HTTPError(404)

    check_continue = respond


class _Server(HTTPHandler):
    """Answers `OPTIONS *`, which asks about the server itself (RFC 9110 section 9.3.7)."""

    def do_options(self) -> Any:
        return 204, None


class _Scope(PrefixIndex[Route]):
    """The routes that requests for a host may have, in their order.

    is_alone: they are all of one handler, or made by one host of other programs.
    """

    __slots__ = ("is_alone",)

    def __init__(self, routes: Iterable[Route]) -> None:
        scope = list(routes)
        super().__init__((route.pattern, route) for route in scope)
        self.is_alone = len({route.handler._host or route.handler for route in scope}) < 2
        if not self.is_alone:
            for route in scope:
                route.decodes = route.handler.decodes_path

    def first(self, resource: str) -> Route | None:
        """Return the first route that matches `resource`, None if there is none."""
        return next((route for route in self.candidates(resource) if route.capture(resource) is not None), None)


class RouteTable:
    """Routes in their order, of which the first match answers; and the error routes.

    mixins: those of the target, which stand before the routes' handlers already.
    """

    __slots__ = ("_error_routes", "_hosts", "_methods", "_scope", "mixins", "not_found", "routes", "server")

    def __init__(
        self,
        routes: list[Route],
        error_routes: list[tuple[re.Pattern[str], type[HTTPErrorHandler]]],
        mixins: tuple[type, ...] = (),
    ) -> None:
        self.routes = routes
        self.mixins = mixins
        self._scope = _Scope(route for route in routes if route.host is None)
        #: by the name in `webpy.host`: the routes of that host, of wildcards that cover it, and of all hosts
        self._hosts: dict[str, _Scope] = {}
        for name in dict.fromkeys(route.host for route in routes if route.host is not None):
            names = {None, *covering(name)}
            self._hosts[name] = _Scope(route for route in routes if route.host in names)
        self.not_found = Route(".*", put_before(mixins, _NotFound))
        self.not_found.telling_segments = 0  # it does the same for every path
        self.server = Route(r"\*", put_before(mixins, _Server))
        self._error_routes = error_routes
        handlers = [route.handler for route in routes]
        self._methods: frozenset[str] | None = None  # any
        if not any(handler.any_method for handler in handlers):
            self._methods = STANDARD_METHODS.union(*(handler.methods() for handler in handlers))

    @property
    def has_hosts(self) -> bool:
        """Whether it depends on the host that a request is for which route answers."""
        return bool(self._hosts)

    def knows(self, method: str) -> bool:
        """Return whether `method` is a standard one, or some handler answers it.

        Lower case is known too: such a request is answered with 405, which names the methods, and not with 501.
        """
        return self._methods is None or method.upper() in self._methods

    def resolve(self, resource: str, authority: str = "") -> tuple[Route, Groups]:
        """Return the route for `resource` (path in normal form, and query), or one that answers 404, and what the route
        captured.

        authority: the host that the request is for, as in the Host field.
        """
        scope = self._find_scope(authority) if self._hosts else self._scope
        for route in scope.candidates(resource):
            match = route.match(resource)
            if match is not None:
                read = route.read
                groups = _NO_GROUPS if read is None else read(match)
                if groups is None:
                    continue
                if route.decodes and not scope.is_alone and not _is_only_one_for(scope, route, resource):
                    return self.not_found, _NO_GROUPS
                return route, groups
        return (self.server if resource == "*" else self.not_found), _NO_GROUPS

    def _find_scope(self, authority: str) -> _Scope:
        for name in covering(host_of(authority)):
            scope = self._hosts.get(name)
            if scope is not None:
                return scope
        return self._scope

    def error_handler(self, request: Request, error: HTTPError) -> HTTPErrorHandler:
        """Return the handler that renders `error`: that of the first error route whose regex matches its status."""
        for pattern, handler in self._error_routes:
            match = pattern.fullmatch(str(error.status))
            if match is not None:
                return handler(request, Groups(match), error)
        return HTTPErrorHandler(request, _NO_GROUPS, error)


def _is_only_one_for(scope: _Scope, route: Route, resource: str) -> bool:
    """Return whether no other route matches any spelling of the resource, with its query or without, and `route` itself
    matches the decoded path."""
    path, mark, query = resource.partition("?")
    if hides_separator(path):
        return False
    plain, rest = decoded(path), mark + query
    for spelling in {path, plain, escaped(path)}:
        for asked in {spelling, spelling + rest}:
            if asked != resource and scope.first(asked) not in (route, None):
                return False
    return plain == path or route.match(plain + rest) is not None


def compile_routes(
    routes: Routes, error_routes: Mapping[Any, type[HTTPErrorHandler]] | None = None, mixins: Any = ()
) -> RouteTable:
    """Make a route table from a mapping of regex or template to handler.

    mixins: classes to put before every handler, outermost first (see `mixins`). Raises ValueError that names the bad
    route, error route or mix-in.
    """
    if not isinstance(routes, Mapping):
        raise ValueError(f"routes: got {type(routes).__name__}, wanted a dict of regex to handler")
    mixins = check_mixins(mixins)
    compiled = []
    made: dict[Handler, Handler] = {}  # one class for a handler that has several routes
    for key, handler in routes.items():
        if not (isinstance(handler, type) and issubclass(handler, HTTPHandler)):
            raise ValueError(f"route {key!r}: got {handler!r}, wanted a subclass of webpy.HTTPHandler")
        if name := coroutine_method(handler, "do_", "check_continue", "get_body", "decode", "encode", "respond"):
            where = f"{handler.__qualname__}.{name}"
            raise ValueError(f"route {key!r}: {where} is an async def, wanted def: this version runs no coroutines")
        if handler not in made:
            made[handler] = put_before(mixins, handler)
        handler = made[handler]
        try:
            route = Route(key, handler)
        except (re.error, TypeError) as error:
            raise ValueError(f"route {key!r}: not a regular expression: {error}") from None
        if handler.decodes_path and isinstance(route.key, PathTemplate):
            what = f"{handler.__qualname__} decodes the path by itself, and a template has decoded it"
            raise ValueError(f"route {key!r}: {what}; mount it with the new() of its module, or at a regex")
        compiled.append(route)
    return RouteTable(compiled, compile_error_routes(error_routes), mixins)


def mount_point(path: str) -> str:
    """Return the normal form of a path that something is mounted at, without a slash at its end.

    path: percent-encoded and beginning with "/", or empty. Raises ValueError if it has no normal form.
    """
    try:
        return normal_path(path).rstrip("/") if path else ""
    except ProtocolError as error:
        raise ValueError(f"remote: got {path!r}: {error}") from None
