"""Owns routes that are for one host only: `webpy.host("api.example.org", routes)`, and which names cover a request's.

Knows no handlers. Called by applications, and by the route table, which has an index of routes for each name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv6Address
from typing import Any

from ...protocol.line import is_host

__all__ = ["HostKey", "covering", "host", "host_of"]


def host(name: str, routes: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return routes that answer only requests for the host `name`; they are merged with others into one dict.

        routes = {**webpy.host("api.example.org", api), **others}

    name: the host as in the Host field, without a port; upper and lower case are the same. `*.example.org` stands for
    all hosts below example.org, however deep, and not for example.org itself. routes: as a server takes them.
    Raises ValueError for anything that is not the name of a host, TypeError for anything but a mapping of routes.
    """
    wanted = _normal_name(name)
    if not isinstance(routes, Mapping):
        raise TypeError(f"webpy.host({name!r}): got {routes!r:.60}, wanted a dict of routes")
    for key in routes:
        if isinstance(key, HostKey):
            raise ValueError(f"webpy.host({name!r}): got a route that is for the host {key.host!r} already")
    return {HostKey(wanted, key): handler for key, handler in routes.items()}


class HostKey:
    """The key of a route for one host: the host's name in normal form, and the key of the route there."""

    __slots__ = ("host", "key")

    def __init__(self, name: str, key: Any) -> None:
        self.host = name
        self.key = key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HostKey) and (other.host, other.key) == (self.host, self.key)

    def __hash__(self) -> int:
        return hash((self.host, self.key))

    def __repr__(self) -> str:
        return f"{self.key!r} of host {self.host!r}"


def host_of(authority: str) -> str:
    """Return the host in the value of a Host field, in normal form: lower case, without port and last dot."""
    if authority[:1] == "[":
        inside = authority[1:].partition("]")[0]
        try:
            return f"[{IPv6Address(inside).compressed}]"
        except ValueError:
            return authority
    return authority.partition(":")[0].lower().removesuffix(".")


def covering(name: str) -> Iterator[str]:
    """Yield the names that routes for the host `name` may be under, the nearest first: itself, then wildcards."""
    yield name
    dot = name.find(".", 2 if name[:2] == "*." else 0)
    while dot > 0:
        yield "*" + name[dot:]
        dot = name.find(".", dot + 1)


def _normal_name(name: str) -> str:
    """Return the name in normal form. Raises ValueError if it is not the name of a host, or of all below one."""
    if not isinstance(name, str):
        raise TypeError(f"webpy.host: got {name!r:.60}, wanted the name of a host, such as 'api.example.org'")
    is_bare_ipv6 = name.count(":") > 1 and name[:1] != "["
    plain = f"[{name}]" if is_bare_ipv6 and "://" not in name else name.lower().removesuffix(".")
    if not plain.isascii():
        try:
            plain = plain.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise ValueError(f"webpy.host: got {name!r}, which is not the name of a host: {error}") from None
    below = plain.removeprefix("*.")
    if "*" in below:
        raise ValueError(f"webpy.host: got {name!r}, wanted a name, or '*.' and a name, such as '*.example.org'")
    if "://" in plain or "/" in plain or (":" in plain and plain[:1] != "[") or plain.rpartition("]")[2][:1] == ":":
        raise ValueError(f"webpy.host: got {name!r}, wanted the name of a host alone, without scheme, port and path")
    if not below or below[:1] == "." or ".." in below or not is_host(below):
        raise ValueError(f"webpy.host: got {name!r}, wanted the name of a host, such as 'api.example.org'")
    return plain[: -len(below)] + host_of(below)
