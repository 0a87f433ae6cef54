"""Owns `Origin`: where a request comes from, as far as it is known. No sockets."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Origin"]


class Origin(NamedTuple):
    """Who asks, and under which scheme and host.

    The transport says so: the socket's peer, the listener's scheme, and no host. A proxy that is trusted may say
    otherwise for one request.
    """

    client_address: tuple[str, int]
    """Host and port of the client; ("unix", 0) for a unix socket."""
    scheme: str
    """ "http" or "https"."""
    host: str | None = None
    """The authority the client asked for; None if the request's own head says it."""
