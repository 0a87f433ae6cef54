"""What proxies say of the client they forward: Forwarded (RFC 7239), and X-Forwarded-For, -Proto, -Host and -Port.

Owns the syntax of these fields, and the way they are read: from the right, as every proxy adds what it saw behind what
it received. The last element is the peer's own word. It names who connected to the peer: if that is a proxy that is
trusted too, the element before is that one's word, and so on. What stands further to the left was sent by somebody
who is not trusted, and is not looked at, malformed or not. Must not know sockets, and not which peers are trusted:
`is_trusted` says so for the text of an IP address, or "unix" for a unix socket.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from .errors import show
from .grammar import PARAMETER, split_list, unquoted
from .line import is_host

__all__ = ["FORWARDED", "X_FORWARDED", "Said", "plain_address", "read_forwarded", "read_x_forwarded"]

FORWARDED = ("forwarded",)
X_FORWARDED = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port")
"""The fields of each family, in lower case."""

_MAX_HOPS = 32  # elements that are looked at: more proxies than that are a loop, or a mistake
_MAX_STEPS = 8 * _MAX_HOPS  # commas and quoted strings that are looked at: each costs a search
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}  # Traefik says ws and wss
# RFC 7239 section 6; in X-Forwarded-For an IPv6 address mostly has no brackets, and then no port.
_NODE = re.compile(r"([0-9.]{7,15}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}|_[0-9A-Za-z._-]{1,64}))?")
_HIDDEN = re.compile(r"(?:unknown|_[0-9A-Za-z._-]{1,64})(?::(?:[0-9]{1,5}|_[0-9A-Za-z._-]{1,64}))?", re.IGNORECASE)
_BARE_IPV6 = re.compile(r"[0-9A-Fa-f:.]{2,45}")

Address = tuple[str, int]
"""An IP address, and a port or 0."""

Trusts = Callable[[str], bool]


class Said(NamedTuple):
    """What the trusted proxies say; None for what they do not say.

    fault: which field was ignored because it is malformed, and why; "" if none was.
    """

    client: Address | None = None
    scheme: str | None = None
    host: str | None = None
    port: int | None = None
    fault: str = ""


class _Malformed(ValueError):
    """A field is malformed where it is read; the text names the value and what was wanted."""


def plain_address(text: str) -> str:
    """Return an IP address in its usual form: an IPv4 address within an IPv6 one is that IPv4 address, and there is no
    zone. Raises ValueError for anything else."""
    if ":" not in text:
        return str(IPv4Address(text))
    address = IPv6Address(text.partition("%")[0])
    return str(address.ipv4_mapped or address)


def read_forwarded(getlist: Callable[[str], list[str]], is_trusted: Trusts) -> Said:
    """Return what the field Forwarded says. getlist: gives a field's values in order, by its name in lower case."""
    client: Address | None = None
    scheme = host = None
    try:
        for element in _limited(_from_the_right(", ".join(getlist("forwarded")))):
            pairs = _pairs(element)
            if "proto" in pairs:
                scheme = _scheme(pairs["proto"])
            if "host" in pairs:
                host = _host(pairs["host"])
            node = _node(pairs["for"]) if "for" in pairs else None
            if node is None:
                break
            client = node
            if not is_trusted(node[0]):
                break
    except _Malformed as error:
        return Said(fault=f"Forwarded: {error}")
    return Said(client, scheme, host)


def read_x_forwarded(getlist: Callable[[str], list[str]], is_trusted: Trusts) -> Said:
    """Return what the fields X-Forwarded-* say; arguments as of `read_forwarded`.

    A malformed field is ignored, and the others count. -Proto, -Host and -Port are mostly set by one proxy, and passed
    on by the others: then the last value counts. Only if there are as many values as in -For, each proxy has added its
    own, and the one counts that was added together with the client's address.
    """
    faults: list[str] = []
    client: Address | None = None
    depth = 0
    addresses = ",".join(getlist("x-forwarded-for"))
    try:
        for element in _limited(reversed(addresses.rsplit(",", _MAX_STEPS))):
            depth += 1
            node = _x_node(element)
            if node is None:
                break
            client = node
            if not is_trusted(node[0]):
                break
    except _Malformed as error:
        faults.append(f"X-Forwarded-For: {error}")
        client, depth = None, 0

    def chosen(name: str) -> str | None:
        values = _members(",".join(getlist(name)))
        if not values:
            return None
        return values[-depth] if depth > 1 and len(values) == len(_members(addresses)) else values[-1]

    read: list[str | None] = []
    for name, check in (("Proto", _scheme), ("Host", _host), ("Port", _port)):
        value = chosen(f"x-forwarded-{name.lower()}")
        try:
            read.append(None if value is None else check(value))
        except _Malformed as error:
            faults.append(f"X-Forwarded-{name}: {error}")
            read.append(None)
    scheme, host, port = read
    return Said(client, scheme, host, None if port is None else int(port), "; ".join(faults))


def _members(value: str) -> list[str]:
    return [member for piece in value.split(",") if (member := piece.strip(" \t"))]


def _limited(elements: Iterable[str]) -> Iterator[str]:
    """Yield the elements that are not empty (RFC 9110 section 5.6.1.2), without the white space around them."""
    count = 0
    for element in elements:
        element = element.strip(" \t")
        if element:
            count += 1
            if count > _MAX_HOPS:
                raise _Malformed(f"more than {_MAX_HOPS} trusted proxies")
            yield element


def _from_the_right(value: str) -> Iterator[str]:
    """Yield the elements of a list from its last on.

    A comma within a quoted string ends none. Strings are found from their closing quote on, so that a quote that a
    client left open hides nothing of what proxies added behind it.
    """
    end = at = len(value)
    for _ in range(_MAX_STEPS):
        comma, quote = value.rfind(",", 0, at), value.rfind('"', 0, at)
        if quote > comma:
            at = _opening_quote(value, quote)
        else:
            yield value[comma + 1 : end]
            if comma < 0:
                return
            end = at = comma
    raise _Malformed(f"more than {_MAX_STEPS} commas and quoted strings")


def _opening_quote(value: str, closing: int) -> int:
    """Return where the string begins that is closed there."""
    at = closing
    while (at := value.rfind('"', 0, at)) >= 0:
        first = at
        while first and value[first - 1] == "\\":
            first -= 1
        if (at - first) % 2 == 0:  # otherwise the last backslash escapes it
            return at
    raise _Malformed(f"got {show(value)}, wanted both quotes of a string")


def _pairs(element: str) -> dict[str, str]:
    """Return the pairs of an element by their names in lower case (RFC 7239 section 4)."""
    found: dict[str, str] = {}
    for piece in split_list(element, ";"):
        piece = piece.strip(" \t")
        if not piece:
            continue
        match = PARAMETER.fullmatch(piece)
        if match is None or match[1].lower() in found:
            raise _Malformed(f"got {show(element)}, wanted NAME=VALUE;NAME=VALUE, each name once")
        found[match[1].lower()] = unquoted(match[2])
    return found


@lru_cache(maxsize=1024)
def _node(text: str) -> Address | None:
    """Return the address of a node; None for one that is unknown or hidden (RFC 7239 section 6)."""
    match = _NODE.fullmatch(text)
    if match is None:
        if _HIDDEN.fullmatch(text):
            return None
        raise _Malformed(f"got for={show(text)}, wanted an IP address (IPv6 in brackets and quotes), unknown or _NAME")
    host, port = match.groups()
    return _address(host.strip("[]") if host[0] == "[" else host, port, text)


@lru_cache(maxsize=1024)
def _x_node(text: str) -> Address | None:
    if text == "unix:":  # nginx's $remote_addr of a client at a unix socket
        return "unix", 0
    if text.count(":") > 1 and _BARE_IPV6.fullmatch(text):
        return _address(text, None, text)
    match = _NODE.fullmatch(text)
    if match is None:
        if _HIDDEN.fullmatch(text):
            return None
        raise _Malformed(f"got {show(text)}, wanted IP addresses, separated by commas")
    host, port = match.groups()
    return _address(host.strip("[]") if host[0] == "[" else host, port, text)


def _address(host: str, port: str | None, text: str) -> Address:
    try:
        address = plain_address(host)
    except ValueError:
        raise _Malformed(f"got {show(text)}, wanted an IP address") from None
    number = int(port) if port is not None and port[0] != "_" else 0
    if number > 65535:
        raise _Malformed(f"got {show(text)}, wanted a port of at most 65535")
    return address, number


def _scheme(text: str) -> str:
    scheme = _SCHEMES.get(text.lower())
    if scheme is None:
        raise _Malformed(f"got {show(text)}, wanted http or https")
    return scheme


def _host(text: str) -> str:
    if not is_host(text):
        raise _Malformed(f"got {show(text)}, wanted HOST or HOST:PORT")
    return text


def _port(text: str) -> str:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 0 < int(text) <= 65535):
        raise _Malformed(f"got {show(text)}, wanted a port of 1 to 65535")
    return text
