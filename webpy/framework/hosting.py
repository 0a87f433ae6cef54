"""Owns `HostHandler`, the base of handlers that answer with what somebody else's program gave: fields, status and all.

A mix-in in front may have set fields before the program runs (a request's id, those of CORS), and may change them when
it has run. So each answer has a response of its own, into which the program's fields are merged.
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
    """Answers any method by what a program gives; stands behind all mix-ins."""

    mixin_rank = Rank.HOST

    @classmethod
    def methods(cls) -> list[str]:
        """Those that are common; the program may know others."""
        return ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]

    def take_fields(self, fields: Iterable[tuple[str, str]]) -> None:
        """Make the program's fields those of this answer, beside what mix-ins have set: see `merging.merge`."""
        response = self._response
        if response is None:
            response = self._response = Response()
        merge(response.headers, fields)
        if "Content-Type" not in response.headers:
            response.headers.add("Content-Type", NO_TYPE)


def host_class(given: type[_Host] | None, base: type[_Host], what: str) -> type[_Host]:
    """The class that routes are made from: `given`, for example with a mix-in in front, or `base`.

    what: the function that was called, for the message. Raises TypeError if `given` is no subclass of `base`.
    """
    if given is None:
        return base
    if not (isinstance(given, type) and issubclass(given, base)):
        raise TypeError(f"{what}: got handler {given!r:.60}, wanted a subclass of {base.__name__}")
    return given
