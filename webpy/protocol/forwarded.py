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
# An IPv4 address in its usual form, and nothing else: what nearly all X-Forwarded-For say of the client.
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?!$)|$)){4}")
# RFC 7239 section 6; in X-Forwarded-For an IPv6 address mostly has no brackets, and then no port.
_NODE = re.compile(r"([0-9.]{7,15}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}|_[0-9A-Za-z._-]{1,64}))?")
_HIDDEN = re.compile(r"(?:unknown|_[0-9A-Za-z._-]{1,64})(?::(?:[0-9]{1,5}|_[0-9A-Za-z._-]{1,64}))?", re.IGNORECASE)
_BARE_IPV6 = re.compile(r"[0-9A-Fa-f:.]{2,45}")

Address = tuple[str, int]
"""An IP address, and a port or 0."""

Trusts = Callable[[str], bool]

Get = Callable[[str], str | None]
"""Gives a field by its name in lower case: the values of its lines in order, joined with commas; None without it."""


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


def read_forwarded(get: Get, is_trusted: Trusts) -> Said:
    """Return what the field Forwarded says."""
    client: Address | None = None
    scheme = host = None
    try:
        for element in _limited(_from_the_right(get("forwarded") or "")):
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


def read_x_forwarded(get: Get, is_trusted: Trusts) -> Said:
    """Return what the fields X-Forwarded-* say.

    A malformed field is ignored, and the others count. -For tells how many proxies are trusted. If each of them has
    added its own value to -Proto, -Host or -Port, that one counts which was added together with the client's address.
    If there are fewer values, some have passed on what they received, and the first counts: it is that of the outermost
    proxy, which must have set it in place of the client's.
    """
    fault = ""
    client, depth = None, 1
    addresses = get("x-forwarded-for")
    if addresses is not None:
        try:
            client, depth = _walk(addresses, is_trusted)
        except _Malformed as error:
            fault = f"X-Forwarded-For: {error}"
    read: list[str | None] = []
    for name, title, check in _BESIDE_FOR:
        value = get(name)
        if value is not None:
            if "," in value:
                value = _chosen(value, depth)
            try:
                value = check(value) if value else None
            except _Malformed as error:
                fault, value = f"{fault}; {title}: {error}" if fault else f"{title}: {error}", None
        read.append(value)
    scheme, host, port = read
    return Said(client, scheme, host, None if port is None else int(port), fault)


def _walk(addresses: str, is_trusted: Trusts) -> tuple[Address | None, int]:
    """Return the client that X-Forwarded-For names, and how many of its elements are of trusted proxies."""
    client: Address | None = None
    depth = 0
    if "," not in addresses:
        return (_x_node(addresses) if addresses else None), 1
    for element in _limited(reversed(addresses.rsplit(",", _MAX_STEPS))):
        depth += 1
        node = _x_node(element)
        if node is None:
            break
        client = node
        if not is_trusted(node[0]):
            break
    return client, max(depth, 1)


def _chosen(value: str, depth: int) -> str:
    """Return the member of a list that stands `depth` from its end, or its first if there are fewer; "" of none."""
    pieces = value.rsplit(",", _MAX_STEPS)
    if len(pieces) > _MAX_STEPS:
        del pieces[0]  # has commas of its own, and trusted proxies are fewer
    members = [member for piece in pieces if (member := piece.strip(" \t"))]
    return members[-min(depth, len(members))] if members else ""


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
    return _match_node(text, f"for={show(text)}, wanted an IP address (IPv6 in brackets and quotes), unknown or _NAME")


def _x_node(text: str) -> Address | None:
    """As `_node`, in X-Forwarded-For."""
    return (text, 0) if _IPV4.match(text) else _unusual_x_node(text)


@lru_cache(maxsize=1024)
def _unusual_x_node(text: str) -> Address | None:
    if text == "unix:":  # nginx's $remote_addr of a client at a unix socket
        return "unix", 0
    if text.count(":") > 1 and _BARE_IPV6.fullmatch(text):
        return _address(text, None, text)
    return _match_node(text, f"{show(text)}, wanted IP addresses, separated by commas")


def _match_node(text: str, fault: str) -> Address | None:
    match = _NODE.fullmatch(text)
    if match is not None:
        return _address(match[1].strip("[]"), match[2], text)
    if _HIDDEN.fullmatch(text):
        return None
    raise _Malformed(f"got {fault}")


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


_BESIDE_FOR: tuple[tuple[str, str, Callable[[str], str]], ...] = (
    ("x-forwarded-proto", "X-Forwarded-Proto", _scheme),
    ("x-forwarded-host", "X-Forwarded-Host", _host),
    ("x-forwarded-port", "X-Forwarded-Port", _port),
)
