"""Owns `HostHandler`, the base of handlers that run other programs (WSGI, CGI), which set fields of their own.

A mix-in in front may set fields before the program runs (a request's id, those of CORS), and may change them after it
has run. So the program's fields are merged into the response of the handler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from .handler import HTTPHandler
from .merging import merge
from .order import Rank
from .renaming import RenamedOptions
from .response import NO_TYPE, Response

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["HostHandler", "host_class"]

_Host = TypeVar("_Host", bound=HTTPHandler)


class HostHandler(RenamedOptions, HTTPHandler):
    """Answers any method with the program's answer; it stands after all mix-ins."""

    mixin_rank = Rank.HOST

    @classmethod
    def methods(cls) -> list[str]:
        """Return the common methods; the program may know others."""
        return ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]

    def take_fields(self, fields: Iterable[tuple[str, str]]) -> None:
        """Add the program's fields to those that mix-ins have set: see `merging.merge`."""
        response = self._response
        if response is None:
            response = self._response = Response()
        merge(response.headers, fields)
        if "Content-Type" not in response.headers:
            response.headers.add("Content-Type", NO_TYPE)


def host_class(given: type[_Host] | None, base: type[_Host], what: str) -> type[_Host]:
    """Return the class to make routes from: `given`, such as one with a mix-in in front, or `base` if it is None.

    what: the name of the calling function, for the message. Raises TypeError if `given` is not a subclass of `base`.
    """
    if given is None:
        return base
    if not (isinstance(given, type) and issubclass(given, base)):
        raise TypeError(f"{what}: got handler {given!r:.60}, wanted a subclass of {base.__name__}")
    return given
