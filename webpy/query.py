"""The query of a request as a mapping: `QueryHandler`, and `new(path, handler)` for its routes.

    import webpy as web
    from webpy import query

    class Search(query.QueryHandler):
        def do_get(self):
            word = self.query['q']                  # the last value of a name; 400 if it is missing
            kind = self.query.get('kind', 'all')    # the default if it is missing
            page = self.query.field('page', int, 1) # as a number; 400 if it is not one
            tags = self.query.getlist('tag')        # all values, in order
            return 200, f'{word} {tags}\\n'

    routes = {**query.new('/search', Search)}       # /search, /search?, /search?q=a&tag=b&tag=c

Use: subclass `QueryHandler`, or put `QueryMixIn` in front of another handler: `class Search(QueryMixIn, JSONHandler)`.
`new` adds the mix-in to a handler that lacks it.

Options, class attributes of the handler:

- `query_max_fields = 100`: more fields are answered with 400. (The length of the query is limited by `--max-line`.)

The query is read as application/x-www-form-urlencoded (WHATWG URL, section 5.1): "&" separates fields, "+" is a space,
a name without "=" has the value "", names and values are percent-encoded UTF-8 (RFC 3986 section 2.1). A "%" without
two hexadecimal digits after it, and bytes that are not UTF-8, are answered with 400, which says where they are. So are
fields that the handler asks for and that are missing or cannot be read; the answer names the field. (`query[name]`
raises a KeyError that is answered so, while `in`, `get` and `except KeyError` work as always.) The method runs only
if the query is well-formed, and a client that sent `Expect: 100-continue` gets the 400 before it sends its body.

Caveats: `self.request.query` stays the text as it was sent, the mapping is `self.query`. A value may contain any
character, even U+0000. ";" does not separate fields. The regex of a route that is not made by `new` has to match the
query as well; in one made by `new`, groups of `path` capture from the path only. `path` is a regex, as every route's;
write flags as a group, `(?i:/search)`. It may also be a template, `webpy.path("/shops/{id:int}")`. Such a route leaves
the query out by itself, so with `QueryMixIn` in front its handler needs no `new`.

Until the next version `query_max_fields` is also understood as `max_query_fields`, with a DeprecationWarning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, overload

from .framework.errors import HTTPError
from .framework.fields import ABSENT, MissingField, text_as
from .framework.groups import Groups
from .framework.handler import HTTPHandler
from .framework.renaming import RenamedOptions
from .framework.routing.templates import PathTemplate
from .protocol.grammar import BAD_ESCAPE, urlencoded_pairs

if TYPE_CHECKING:
    from .framework.request import Request
    from .framework.response import Result

__all__ = ["Query", "QueryHandler", "QueryMixIn", "new", "parse"]

T = TypeVar("T")
D = TypeVar("D")

_MAX_FIELDS = 100
_ANY_QUERY = r"(?:\?.*)?"


class Query(Mapping[str, str]):
    """Names to values: `query[name]` is the last value of a name, `getlist(name)` has all, `pairs` those of all names.

    `query[name]` of a missing field raises a KeyError that is answered with 400, which names the field.
    """

    __slots__ = ("_values", "pairs")

    pairs: tuple[tuple[str, str], ...]
    """Every name and value, in order."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self.pairs = tuple(pairs)
        self._values: dict[str, list[str]] = {}
        for name, value in self.pairs:
            self._values.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> str:
        values = self._values.get(name)
        if values is None:
            raise MissingField("query", name)
        return values[-1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @overload
    def field(self, name: str) -> str: ...
    @overload
    def field(self, name: str, kind: Callable[[str], T]) -> T: ...
    @overload
    def field(self, name: str, kind: Callable[[str], T], default: D) -> T | D: ...
    def field(self, name: str, kind: Callable[[str], Any] = str, default: Any = ABSENT) -> Any:
        """Return the last value of `name` as `kind` reads it: int, float, bool, or any callable that takes the text.

        Raises HTTPError 400, which names the field, if `kind` refuses the text, or if the field is missing and there is
        no `default`.
        """
        if default is not ABSENT and name not in self._values:
            return default
        return text_as("query", name, self[name], kind)

    def getlist(self, name: str, default: list[str] | None = None) -> list[str]:
        """Return all values of `name` in order; if there are none `default`, or an empty list."""
        found = self._values.get(name)
        if found is None:
            return [] if default is None else default
        return list(found)

    def __repr__(self) -> str:
        return f"Query({list(self.pairs)!r})"


def parse(text: str, max_fields: int = _MAX_FIELDS) -> Query:
    """Return the mapping of a query as it was sent, without its "?".

    Raises HTTPError 400 for more than `max_fields` fields, bad percent-encoding, and bytes that are not UTF-8.
    """
    bad = BAD_ESCAPE.search(text)
    if bad is not None:
        place = bad.start()
        raise _bad(f"got {text[place : place + 3]!r} at character {place + 1}, wanted % and two hexadecimal digits")
    sent = list(urlencoded_pairs(text.encode()))
    if len(sent) > max_fields:
        raise _bad(f"got {len(sent)} fields, wanted {max_fields} at most")
    pairs = []
    for number, (name, value) in enumerate(sent, 1):
        try:
            pairs.append((name.decode(), value.decode()))
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            raise _bad(f"got byte %{byte:02X} in field {number}, wanted UTF-8") from None
    return Query(pairs)


class QueryMixIn(RenamedOptions, HTTPHandler):
    """Put in front of a handler: it has `self.query`, the request's query as a `Query`."""

    renamed_options: ClassVar[Mapping[str, str]] = {"max_query_fields": "query_max_fields"}

    query_max_fields = _MAX_FIELDS
    _path: re.Pattern[str] | None = None
    _query: Query | None = None

    def __init__(self, request: Request, groups: Groups) -> None:
        if self._path is not None and "?" in request.resource:
            match = self._path.fullmatch(request.path)
            if match is None:  # the route's own regex matched a part of the query as the path
                raise HTTPError(404)
            groups = Groups(match)
        super().__init__(request, groups)

    @property
    def query(self) -> Query:
        """The request's query. Raises HTTPError 400 if it cannot be read (see `parse`)."""
        if self._query is None:
            self._query = parse(self.request.query, self.query_max_fields)
        return self._query

    def check_continue(self) -> bool | None:
        goes_on = super().check_continue()  # first, as it may ask for a login
        if goes_on is not False:
            _ = self.query  # raises for a bad query, before the client sends a body that is refused
        return goes_on

    def respond(self) -> Result:
        if type(self).method_for(self.request.method) is not None:  # else 405, whatever the query
            _ = self.query
        return super().respond()


class QueryHandler(QueryMixIn):
    """A handler with `self.query`: see `QueryMixIn`."""


def new(path: str | PathTemplate, handler: type[HTTPHandler]) -> dict[Any, type[HTTPHandler]]:
    """Return routes for `path`, with any query or none, whose handler is `handler` with `QueryMixIn`.

    path: a regex, or a template (`webpy.path`). Raises ValueError if it is neither, or if `handler` is no subclass of
    `webpy.HTTPHandler`.
    """
    if not (isinstance(handler, type) and issubclass(handler, HTTPHandler)):
        raise ValueError(f"route {path!r}: got {handler!r}, wanted a subclass of webpy.HTTPHandler")
    key, pattern = _key(path)
    bases = (handler,) if issubclass(handler, QueryMixIn) else (QueryMixIn, handler)
    # has the handler's name: logs name the class that the application wrote
    names = {name: getattr(handler, name) for name in ("__module__", "__qualname__", "__doc__")}
    generated: Any = type(handler.__name__, bases, {**names, "_path": pattern})
    return {key: generated}


def _key(path: str | PathTemplate) -> tuple[str | PathTemplate, re.Pattern[str] | None]:
    """Return the key of the route for `path` with any query, and the regex of the path alone.

    There is no such regex for a template, which leaves the query out by itself.
    """
    if isinstance(path, PathTemplate):
        return path, None
    regex = f"(?:{path}){_ANY_QUERY}"
    try:
        pattern = re.compile(path)
        re.compile(regex)
    except (re.error, TypeError) as error:
        raise ValueError(f"route {path!r}: not a regular expression of a path: {error}") from None
    return regex, pattern


def _bad(what: str) -> HTTPError:
    return HTTPError(400, f"query: {what}\n")
