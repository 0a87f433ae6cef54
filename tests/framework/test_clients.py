"""What counts as one client for limits."""

from __future__ import annotations

import pytest

from webpy.framework.clients import client_network, provider_network


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("unix", "unix", True),
        ("not:an:address", "not:another", False),
    ],
)
def test_what_one_client_is(one: str, other: str, same: bool) -> None:
    assert (client_network(one) == client_network(other)) is same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.254", True),
        ("192.0.2.1", "192.0.3.1", False),
        ("2001:db8::1", "2001:db8:ffff::1", True),
        ("2001:db8::1", "2001:db9::1", False),
    ],
)
def test_what_one_provider_is(one: str, other: str, same: bool) -> None:
    assert (provider_network(client_network(one)) == provider_network(client_network(other))) is same
