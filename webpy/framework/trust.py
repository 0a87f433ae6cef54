"""Owns `TrustedPeers`: whose word counts about who a client is. No sockets."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from ..protocol.forwarded import plain_address

__all__ = ["ANYBODY", "UNIX", "TrustedPeers"]

ANYBODY = "*"
UNIX = "unix"
_MAX_KNOWN = 4096  # addresses whose verdict is kept


class TrustedPeers:
    """Peers and proxies that are trusted: networks, "unix" for unix sockets, and "*" for whoever connects.

    "*" is for peers only, as a proxy that is not named cannot be told from a client: of the addresses in a field, none
    is trusted by it.
    """

    __slots__ = ("_anybody", "_known", "_networks", "_octets", "_unix")

    def __init__(self, names: Iterable[str]) -> None:
        """names: as the setting `forwarded_allow_ips` has them."""
        names = list(names)
        self._anybody = ANYBODY in names
        self._unix = UNIX in names
        self._networks = [ipaddress.ip_network(name) for name in names if name not in (ANYBODY, UNIX)]
        # The first octets of the networks' IPv4 addresses: most clients are told by theirs, at a tenth of the cost.
        self._octets = {
            str(octet)
            for network in self._networks
            if isinstance(network, ipaddress.IPv4Network)
            for octet in range(network[0].packed[0], network[-1].packed[0] + 1)
        }
        self._known: dict[str, bool] = {}

    def has_peer(self, host: str) -> bool:
        """Return whether what a peer of this address ("unix" for a unix socket) says of its clients counts."""
        return self._anybody or self.has_proxy(host)

    def has_proxy(self, host: str) -> bool:
        """Return whether this address, which a trusted peer names, is that of another trusted proxy."""
        if host == UNIX:
            return self._unix
        if not self._networks or (":" not in host and host.partition(".")[0] not in self._octets):
            return False
        found = self._known.get(host)
        if found is None:
            address = ipaddress.ip_address(plain_address(host))
            found = any(address in network for network in self._networks)
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[host] = found
        return found
