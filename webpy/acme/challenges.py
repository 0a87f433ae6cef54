"""Answers to HTTP-01 challenges (RFC 8555 8.3), in workers: before all routes, on any listener.

A challenge asks for /.well-known/acme-challenge/TOKEN, and the answer is TOKEN, a dot and the thumbprint of the
account's key. So no worker has to know which tokens are asked for, and all servers that share a state directory answer
the same. The answer is no secret: only the holder of the account's key can use it.
"""

from __future__ import annotations

from typing import Any

from ..framework.errors import HTTPError
from ..framework.groups import Groups
from ..framework.handler import HTTPHandler
from ..framework.routing.routes import Route, RouteTable
from ..settings import Resolved
from ..settings.names import CHALLENGE_PATHS
from .state import THUMBPRINT, open_folder

__all__ = ["ChallengeRoutes"]

_BEGINNING = "/.well-known/"  # a quick look that spares other requests the regex


class ChallengeHandler(HTTPHandler):
    """Answers from the thumbprint in the state directory, which the sidecar may have made a moment ago. It is read for
    each challenge: there are few."""

    resolved: Resolved

    def do_get(self) -> Any:
        try:
            with open_folder(self.resolved, make=False) as folder:
                print_ = folder.read(THUMBPRINT)
        except OSError:
            print_ = None
        if print_ is None:
            raise HTTPError(404)
        self.response.headers.set("Content-Type", "application/octet-stream")
        self.response.headers.set("Cache-Control", "no-store")
        return 200, f"{self.groups[0]}.".encode() + print_


class ChallengeRoutes(RouteTable):
    """The routes of `table`, and before them that of the challenges of the ACME directory in the settings."""

    __slots__ = ("_challenges",)

    def __init__(self, table: RouteTable, resolved: Resolved) -> None:
        super().__init__(table.routes, table._error_routes, table.mixins)
        self._challenges = Route(CHALLENGE_PATHS, type("ChallengeHandler", (ChallengeHandler,), {"resolved": resolved}))

    def resolve(self, resource: str, authority: str = "") -> tuple[Route, Groups]:
        """See `RouteTable.resolve`."""
        if resource.startswith(_BEGINNING):
            groups = self._challenges.capture(resource)
            if groups is not None:
                return self._challenges, groups
        return super().resolve(resource, authority)
