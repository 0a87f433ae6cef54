"""Owns what counts as one client for limits: an IPv4 address, or the /64 of an IPv6 one. No sockets."""

from __future__ import annotations

import ipaddress

__all__ = ["client_network", "provider_network"]


def client_network(host: str) -> str:
    """Return the name of the client that `host` belongs to: an IPv4 address, also one that is mapped into IPv6, or the
    /64 of an IPv6 address, which a customer is given whole. What is not an address stands for itself."""
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return address.packed[:8].hex()


def provider_network(network: str) -> str:
    """Return the name of the larger network that a client, as `client_network` names it, is in: the /24 of an IPv4
    address, the /32 of an IPv6 one, which is the least that a provider is given."""
    return network.rpartition(".")[0] if "." in network else network[:8]
