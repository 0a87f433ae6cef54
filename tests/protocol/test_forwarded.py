"""webpy/protocol/forwarded.py: what Forwarded and X-Forwarded-* say, read from the right, past trusted proxies only."""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webpy.protocol.forwarded import Said, plain_address, read_forwarded, read_x_forwarded

PROXIES = frozenset(("10.0.0.1", "10.0.0.2", "2001:db8:f::1", "unix"))
REAL = "203.0.113.7"


def getter(*lines: str) -> Callable[[str], str | None]:
    """Of fields "name: value"; as `Head.joined`."""

    def get(name: str) -> str | None:
        pairs = [line.split(": ", 1) for line in lines]
        values = [value.strip(" \t") for each, value in pairs if each == name]
        return ", ".join(values) if values else None

    return get


def forwarded(*values: str) -> Said:
    return read_forwarded(getter(*(f"forwarded: {value}" for value in values)), PROXIES.__contains__)


def x_forwarded(*lines: str) -> Said:
    return read_x_forwarded(getter(*(f"x-forwarded-{line}" for line in lines)), PROXIES.__contains__)


# -- Forwarded ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("for=203.0.113.7", Said((REAL, 0))),
        ("FOR=203.0.113.7;Proto=HTTPS", Said((REAL, 0), "https")),
        ('for="203.0.113.7:4711"', Said((REAL, 4711))),
        ('for="203.0.113.7:_port"', Said((REAL, 0))),
        ('for="[2001:DB8:0::7]"', Said(("2001:db8::7", 0))),
        ('for="[2001:db8::7]:4711";by=_me', Said(("2001:db8::7", 4711))),
        ('for="[::ffff:203.0.113.7]"', Said((REAL, 0))),
        ('for=203.0.113.7;host="example.org:8443";proto=https', Said((REAL, 0), "https", "example.org:8443")),
        ('for=203.0.113.7;ext="a, b; c\\" d"', Said((REAL, 0))),
        ("for=203.0.113.7 ; proto=https", Said((REAL, 0), "https")),
        (";;for=203.0.113.7;", Said((REAL, 0))),
        ("proto=https", Said(None, "https")),
        ("for=unknown;proto=https", Said(None, "https")),
        ("for=_hidden", Said()),
        ('for="unknown:80"', Said()),
        ("", Said()),
        (" , ,, ", Said()),
        ("for=6.6.6.6, for=203.0.113.7", Said((REAL, 0))),
        ("for=203.0.113.7, for=10.0.0.1", Said((REAL, 0))),
        ("for=6.6.6.6, for=203.0.113.7;proto=https;host=a, for=10.0.0.1;proto=http;host=b, for=10.0.0.2",
         Said((REAL, 0), "https", "a")),
        ("for=203.0.113.7, for=10.0.0.1;proto=http;host=b", Said((REAL, 0), "http", "b")),
        ('for=203.0.113.7, for="[2001:db8:f::1]"', Said((REAL, 0))),
        ("for=6.6.6.6, for=unknown, for=10.0.0.1", Said(("10.0.0.1", 0))),
        ("for=6.6.6.6, proto=https", Said(None, "https")),
        ("for=10.0.0.2, for=10.0.0.1", Said(("10.0.0.2", 0))),
        ("nonsense, for=203.0.113.7", Said((REAL, 0))),
        ('for="6.6.6.6, for=203.0.113.7', Said((REAL, 0))),
        ('for="\\", for="203.0.113.7"', Said((REAL, 0))),
    ],
)  # fmt: skip
def test_forwarded(value: str, said: Said) -> None:
    assert forwarded(value) == said
    assert forwarded(*value.split(", ")) == said or '"a, b' in value  # as several lines


@pytest.mark.parametrize(
    "value",
    [
        "203.0.113.7",
        "for=203.0.113.7:4711",
        "for=[2001:db8::7]",
        'for="2001:db8::7"',
        'for="[2001:db8::7"',
        'for="[2001:db8::7%eth0]"',
        "for=203.0.113.999",
        "for=203.0.113.07",
        'for="203.0.113.7:70000"',
        'for=""',
        "for=",
        "for=a.example.org",
        "for=unix",
        "for = 203.0.113.7",
        "for=203.0.113.7;for=203.0.113.7",
        "for=203.0.113.7 proto=https",
        'for="203.0.113.7',
        'for=203.0.113.7"',
        '"',
        "for=203.0.113.7;proto=ftp",
        'for=203.0.113.7;host="a b"',
        'for=203.0.113.7;host=""',
        'for=203.0.113.7;host="a, b"',
        'for="203.0.113.7\u00e9"',
    ],
)
def test_what_is_malformed_is_ignored_as_a_whole(value: str) -> None:
    said = forwarded(value)
    assert said[:4] == Said()[:4]
    assert said.fault.startswith("Forwarded: got ") and ", wanted " in said.fault
    assert forwarded(f"for=10.0.0.2, {value}, for=10.0.0.1;proto=https")[:4] == Said()[:4]


def test_endless_proxies_are_malformed() -> None:
    assert forwarded(", ".join(["for=10.0.0.1"] * 32)).client == ("10.0.0.1", 0)
    assert "32 trusted proxies" in forwarded(", ".join(["for=10.0.0.1"] * 33)).fault
    assert x_forwarded("for: " + ", ".join(["10.0.0.1"] * 32)).client == ("10.0.0.1", 0)
    assert "32 trusted proxies" in x_forwarded("for: " + ",".join(["10.0.0.1"] * 33)).fault


# -- X-Forwarded-* -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["for: 203.0.113.7"], Said((REAL, 0))),
        (["for: 203.0.113.7:4711"], Said((REAL, 4711))),
        (["for: 2001:db8::7"], Said(("2001:db8::7", 0))),
        (["for: [2001:db8::7]"], Said(("2001:db8::7", 0))),
        (["for: [2001:db8::7]:4711"], Said(("2001:db8::7", 4711))),
        (["for: ::ffff:203.0.113.7"], Said((REAL, 0))),
        (["for: 6.6.6.6, 203.0.113.7"], Said((REAL, 0))),
        (["for: 6.6.6.6", "for: 203.0.113.7"], Said((REAL, 0))),
        (["for: 203.0.113.7", "for: 10.0.0.1"], Said((REAL, 0))),
        (["for: 6.6.6.6,203.0.113.7 ,\t10.0.0.2,10.0.0.1, "], Said((REAL, 0))),
        (["for: 203.0.113.7, unix:"], Said((REAL, 0))),
        (["for: 6.6.6.6, unknown"], Said()),
        (["for: 6.6.6.6, _hidden, 10.0.0.1"], Said(("10.0.0.1", 0))),
        (["for: nonsense, 203.0.113.7"], Said((REAL, 0))),
        (["for: "], Said()),
        (["proto: https"], Said(None, "https")),
        (["proto: WSS"], Said(None, "https")),
        (["for: 203.0.113.7", "proto: https", "host: example.org", "port: 8443"],
         Said((REAL, 0), "https", "example.org", 8443)),
        # one proxy, which sets the fields or adds to them
        (["for: 6.6.6.6, 203.0.113.7", "proto: https, http", "host: evil, a", "port: 1, 80"],
         Said((REAL, 0), "http", "a", 80)),
        # two proxies, of which both have added to all fields
        (["for: 203.0.113.7, 10.0.0.1", "proto: https, http", "host: a, b", "port: 443, 80"],
         Said((REAL, 0), "https", "a", 443)),
        (["for: 6.6.6.6, 203.0.113.7, 10.0.0.1", "proto: x, https, http"], Said((REAL, 0), "https")),
        # two proxies, of which the outer one has set -Proto and the other has passed it on
        (["for: 203.0.113.7, 10.0.0.1", "proto: https"], Said((REAL, 0), "https")),
        (["for: 6.6.6.6, 203.0.113.7, 10.0.0.1", "proto: https"], Said((REAL, 0), "https")),
        # the outer one has set -Proto, of the others some have added to it, whatever the client has sent
        (["for: 203.0.113.7, 10.0.0.2, 10.0.0.1", "proto: https, http"], Said((REAL, 0), "https")),
        (["for: 6.6.6.6, 203.0.113.7, 10.0.0.2, 10.0.0.1", "proto: https, http"], Said((REAL, 0), "https")),
        (["for: 6.6.6.6, 203.0.113.7, 10.0.0.1", "proto: https, http"], Said((REAL, 0), "https")),
        (["for: 6.6.6.6, nonsense, 10.0.0.1", "proto: https, http"],
         Said(None, "http", fault="X-Forwarded-For: got 'nonsense', wanted IP addresses, separated by commas")),
        (["for: ", "proto: , https ,,", "host: ,", "port: ,"], Said(None, "https")),
    ],
)  # fmt: skip
def test_x_forwarded(lines: list[str], said: Said) -> None:
    assert x_forwarded(*lines) == said


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("for: a", "For"),
        ('for: "203.0.113.7"', "For"),
        ("for: 203.0.113.7;6.6.6.6", "For"),
        ("for: 203.0.113.7 6.6.6.6", "For"),
        ("for: 203.0.113.7:", "For"),
        ("for: [2001:db8::7", "For"),
        ("for: 2001:db8::7::", "For"),
        ("for: 1.2.3", "For"),
        ("for: unix", "For"),
        ("for: \x80", "For"),
        ("proto: on", "Proto"),
        ("proto: https;http", "Proto"),
        ("host: a/b", "Host"),
        ("host: a@b c", "Host"),
        ("host: [::1", "Host"),
        ("port: 0", "Port"),
        ("port: 65536", "Port"),
        ("port: -1", "Port"),
        ("port: \u00b2", "Port"),
    ],
)
def test_a_malformed_field_is_ignored_and_the_others_count(line: str, name: str) -> None:
    others = {"For": "for: 203.0.113.7", "Proto": "proto: https", "Host": "host: a", "Port": "port: 81"}
    del others[name]
    expected = dict(zip(("For", "Proto", "Host", "Port"), ((REAL, 0), "https", "a", 81), strict=True))
    expected[name] = None  # type: ignore[assignment]
    said = x_forwarded(line, *others.values())
    assert said[:4] == tuple(expected.values())
    assert said.fault.startswith(f"X-Forwarded-{name}: got ") and ", wanted " in said.fault


# -- properties --------------------------------------------------------------------------------------------------------

# what a field value may hold, mostly of what has a meaning in these
anything = st.text(st.one_of(st.sampled_from('",;\\=: []_for0.'), st.characters(min_codepoint=32, max_codepoint=255)))
addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


def quoted_node(address: IPv4Address | IPv6Address) -> str:
    return f'for="[{address}]"' if isinstance(address, IPv6Address) else f"for={address}"


@given(anything, anything, addresses, st.booleans())
def test_nothing_a_client_sends_changes_what_a_trusted_proxy_adds(
    sent: str, more: str, address: IPv4Address | IPv6Address, joined: bool
) -> None:
    """The proxy adds its element to the value, or as another line."""
    own, x_own = f"{quoted_node(address)};proto=http;host=a", str(address)
    if str(plain_address(str(address))) in PROXIES:
        return
    values = [more, f"{sent}, {own}"] if joined else [more, sent, own]
    assert forwarded(*values) == Said((plain_address(str(address)), 0), "http", "a")
    x_values = [more, f"{sent}, {x_own}"] if joined else [more, sent, x_own]
    assert x_forwarded(*(f"for: {value}" for value in x_values)) == Said((plain_address(str(address)), 0))


@given(anything)
def test_a_value_is_read_or_malformed(value: str) -> None:
    for said in (forwarded(value), x_forwarded(f"for: {value}", f"proto: {value}", f"host: {value}")):
        if said.client is not None and said.client[0] != "unix":
            assert plain_address(said.client[0]) == said.client[0] and 0 <= said.client[1] <= 65535
        assert said.scheme in (None, "http", "https")
        assert said.host is None or (said.host.isascii() and said.host.isprintable() and " " not in said.host)
        assert said.fault.isascii() and said.fault.isprintable()


parts = st.lists(
    st.tuples(addresses, st.sampled_from(("http", "https")), st.sampled_from(("a", "b:81", "[::1]:8"))),
    min_size=1,
    max_size=8,
)


@given(parts, st.integers(0, 7))
def test_as_many_proxies_as_are_trusted_are_passed(
    chain: list[tuple[IPv4Address | IPv6Address, str, str]], trusted: int
) -> None:
    """Against reading from the left: of a chain of proxies the last `trusted` ones are believed."""
    hosts = [plain_address(str(address)) for address, _, _ in chain]
    trusts = set(hosts[max(1, len(hosts) - trusted) :]).__contains__
    at = len(hosts) - 1
    while at and trusts(hosts[at]):
        at -= 1
    lines = [f'forwarded: {quoted_node(node)};host="{host}";proto={proto}' for node, proto, host in chain]
    assert read_forwarded(getter(*lines), trusts) == Said((hosts[at], 0), chain[at][1], chain[at][2])
    lines = [
        line
        for node, proto, host in chain
        for line in (f"x-forwarded-for: {node}", f"x-forwarded-proto: {proto}", f"x-forwarded-host: {host}")
    ]
    assert read_x_forwarded(getter(*lines), trusts) == Said((hosts[at], 0), chain[at][1], chain[at][2])


def test_odd_values_take_no_long_time() -> None:
    """Linear, as a client chooses what a proxy passes on: the test's limit would be passed otherwise."""
    for piece in ('\\"', '"', ",", '"\\', ";", "a=", '="', "for=10.0.0.1,", "\\"):
        value = piece * (32768 // len(piece))
        for _ in range(20):
            forwarded(value)
            forwarded(value + '"')
            x_forwarded(f"for: {value}")


@pytest.mark.parametrize("flood", [",", '""'])
def test_a_flood_of_commas_or_strings_costs_little_and_hides_no_proxy(flood: str) -> None:
    value = flood * 15_000
    before_s = time.thread_time()
    said = read_forwarded(lambda name: value, lambda host: True)
    assert time.thread_time() - before_s < 0.005  # 20 ms without a limit
    assert "more than 256 commas and quoted strings" in said.fault
    assert said.client is None
    behind = read_forwarded(lambda name: f"{value}, for=192.0.2.1", lambda host: False)
    assert (behind.client, behind.fault) == (("192.0.2.1", 0), "")
