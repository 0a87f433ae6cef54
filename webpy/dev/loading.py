"""Loads TARGET for its developer: if it does not load, what is served instead shows why.

Owns what stands for a broken application. Called in the zygote of each generation.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..framework.errorhandler import HTTPErrorHandler
from ..framework.errors import HTTPError
from ..framework.handler import HTTPHandler
from ..framework.request import Request
from ..target.listing import ListedRoute, list_routes
from ..target.target import TargetError, load_target
from ..worker import Site

__all__ = ["Loaded", "Show", "load"]

Show = Callable[[Request, BaseException], HTTPErrorHandler | None]

_EVERYTHING = "/.*|\\*"
_ELSEWHERE = "500 - The application does not load. The terminal of `webpy dev` says why.\n"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of TARGET: the site to serve, its name and kind, its routes, and what is to be said of them.

    error: why it did not load, "" if it did; the site then answers every request with that.
    """

    site: Site
    name: str
    kind: str = ""
    routes: tuple[ListedRoute, ...] = ()
    warnings: tuple[str, ...] = ()
    error: str = ""


def load(target: str, kind: str | None, show: Show) -> Loaded:
    """Load TARGET, and call its `warm_up`. show: gives the answer that shows an exception, None for clients that must
    not see it."""
    try:
        found = load_target(target, kind)
        routes = found.routes
        table = found.compiled()
        found.warm_up()
    except TargetError as error:
        return Loaded(_broken(_cause(error), show), target, error=str(error))
    _have_objects_raise()
    # own: the log then says nothing of limits on connections, which are no matter here
    site = Site(routes, found.error_routes, found.settings, own=True, mixins=table.mixins)
    listed = tuple(list_routes(table))
    complaints = {route.complaint() for route in table.routes}  # the worker's application warns of these
    warnings = tuple(each for route in listed for each in route.warnings if each not in complaints)
    return Loaded(site, found.name, found.kind, listed, warnings)


def _cause(error: TargetError) -> BaseException:
    """Return what the user's code raised, or the error itself, without webpy's own traceback, if it raised nothing."""
    raised = error.__context__
    if error.traceback and raised is not None:
        return raised
    error.__context__ = None
    return error.with_traceback(None)


def _broken(cause: BaseException, show: Show) -> Site:
    class Broken(HTTPHandler):
        """Answers every request with the reason why the application did not load."""

        any_method = True

        def respond(self) -> Any:
            shown = show(self.request, cause)
            if shown is None:
                raise HTTPError(500, _ELSEWHERE)
            result = shown.respond()
            self.response = shown.response
            return result

    return Site({_EVERYTHING: Broken}, own=True)


def _have_objects_raise() -> None:
    """Have `webpy.objects`, which answers exceptions of pages itself, raise them, to be shown."""
    if "webpy.objects" in sys.modules:
        from .. import objects
        from ..objects.handler import ObjectsHandler

        objects.config.update({"request.throw_errors": True})
        ObjectsHandler.raises = True
