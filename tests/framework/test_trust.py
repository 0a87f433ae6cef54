"""webpy/framework/trust.py: whose word counts about who a client is, against the standard library's networks."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webpy.framework.trust import TrustedPeers
from webpy.protocol.forwarded import plain_address

addresses = st.one_of(
    st.ip_addresses(),
    st.sampled_from(("10.0.0.0", "10.255.255.255", "11.0.0.0", "172.15.255.255", "172.16.0.0", "172.31.255.255")).map(
        ipaddress.ip_address
    ),
    st.integers(0, 255).map(lambda octet: ipaddress.ip_address(f"{octet}.0.0.1")),
)
networks = st.tuples(addresses, st.integers(0, 128)).map(
    lambda drawn: ipaddress.ip_network(f"{drawn[0]}/{min(drawn[1], drawn[0].max_prefixlen)}", strict=False)
)


@given(st.lists(networks, max_size=4), addresses, st.booleans())
def test_an_address_is_trusted_if_a_network_has_it(
    named: list[ipaddress.IPv4Network | ipaddress.IPv6Network],
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
    anybody: bool,
) -> None:
    peers = TrustedPeers([*(str(network) for network in named), *(["*"] if anybody else [])])
    host = plain_address(str(address))
    within = any(ipaddress.ip_address(host) in network for network in named)
    for _ in range(2):
        assert peers.has_proxy(host) is within
        assert peers.has_peer(host) is (within or anybody)


@pytest.mark.parametrize(
    ("names", "host", "peer", "proxy"),
    [
        ([], "127.0.0.1", False, False),
        ([], "unix", False, False),
        (["unix"], "unix", True, True),
        (["unix"], "127.0.0.1", False, False),
        (["*"], "unix", True, False),
        (["10.0.0.0/8"], "unix", False, False),
        (["10.0.0.0/8"], "::ffff:10.0.0.1", True, True),
        (["10.0.0.0/8"], "::ffff:11.0.0.1", False, False),
        (["fe80::/10"], "fe80::1%eth0", True, True),
        (["0.0.0.0/0"], "::1", False, False),
        (["0.0.0.0/0"], "255.0.0.1", True, True),
        (["::/0"], "127.0.0.1", False, False),
        (["126.0.0.0/7"], "127.0.0.1", True, True),
    ],
)
def test_names_that_are_no_networks_and_addresses_of_both_versions(
    names: list[str], host: str, peer: bool, proxy: bool
) -> None:
    trusted = TrustedPeers(names)
    assert (trusted.has_peer(host), trusted.has_proxy(host)) == (peer, proxy)


def test_what_is_known_of_addresses_is_bounded() -> None:
    trusted = TrustedPeers(["10.0.0.0/16"])
    for number in range(10_000):
        host = f"10.{number % 3}.{number // 256}.{number % 256}"
        assert trusted.has_proxy(host) is (number % 3 == 0)
    assert len(trusted._known) <= 4096
