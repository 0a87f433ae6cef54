"""The types of values that are addresses: where to listen, and networks. Reads their syntax; resolves no names.

    [SCHEME://]HOST:PORT   [SCHEME://][IPV6]:PORT   [SCHEME://]unix:PATH   [SCHEME://]fd:N      SCHEME: http or https

Used by `schema`; `split_scheme` by whoever takes an address of `bind` apart.
"""

from __future__ import annotations

import ipaddress
import os
import re

from .types import InvalidValue, SettingType

__all__ = ["address", "addresses", "peers", "split_scheme"]

_ADDRESS = "a port, HOST:PORT, [IPV6]:PORT, unix:PATH or fd:N"
_PORTS = {"http": 80, "https": 443}


def split_scheme(bind: str) -> tuple[str, str]:
    """Return the scheme of an address of `bind`, "" if it names none, and the rest of it."""
    for scheme in _PORTS:
        if bind.startswith(f"{scheme}://"):
            return scheme, bind[len(scheme) + 3 :]
    return "", bind


def _url(given: object) -> str:
    """Return an address, with its scheme if it names one; without a port it has the usual one of its scheme."""
    match = re.fullmatch(r"(https?)://(.*)", given.strip(), re.IGNORECASE) if isinstance(given, str) else None
    if match is None:
        return _address(given)
    scheme, rest = match[1].lower(), match[2].removesuffix("/")
    if re.fullmatch(r"[0-9]*", rest, re.ASCII):
        raise InvalidValue(f"{scheme}://HOST, {scheme}://HOST:PORT or {scheme}://:PORT")
    if "/" in rest and not rest.startswith("unix:"):
        raise InvalidValue("an address without a path")
    if re.fullmatch(r"\[[^\[\]]*\]|[^:\[\]/,]+", rest):
        rest = f"{rest}:{_PORTS[scheme]}"
    return f"{scheme}://{_address(rest)}"


def _address(given: object) -> str:
    if isinstance(given, (tuple, list)) and len(given) >= 2 and isinstance(given[0], str):
        host, port = given[0], given[1]  # a socket address of Python
        given = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if not isinstance(given, str) or re.search(r"[\x00-\x20\x7f]", given.strip()):
        raise InvalidValue
    given = given.strip()
    if re.fullmatch(r"[0-9]+", given, re.ASCII):  # a port alone is on the loopback address
        given = f"127.0.0.1:{given}"
    if given.startswith("unix:"):
        name = os.path.expanduser(given[5:])
        if not name:
            raise InvalidValue("unix:PATH with a path")
        if len(os.fsencode(name)) > 107:
            raise InvalidValue("a path of at most 107 bytes: the system allows no longer path for a socket")
        return "unix:" + name
    if given.startswith("fd:"):
        if not re.fullmatch(r"[0-9]{1,9}", given[3:], re.ASCII):
            raise InvalidValue("fd:N with the number of an open descriptor")
        return f"fd:{int(given[3:])}"
    match = re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]/,]*):([0-9]+)", given, re.ASCII)
    if match is None:
        raise InvalidValue
    host, digits = match.groups()
    if len(digits) > 5 or int(digits) > 65535:
        raise InvalidValue("a port of 0 to 65535")
    if host.startswith("["):
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            raise InvalidValue("an IPv6 address between the brackets") from None
    elif host in ("", "*"):  # as gunicorn and nginx read them
        host = "0.0.0.0"
    return f"{host}:{int(digits)}"


def _items(given: object) -> list[object]:
    """Return the items of a comma-separated string or of a list; anything else is one item."""
    if isinstance(given, str):
        return [item.strip() for item in given.split(",")]
    if isinstance(given, (tuple, list)):
        if len(given) >= 2 and isinstance(given[0], str) and isinstance(given[1], int):
            return [given]  # one socket address
        return [part for item in given for part in (_items(item) if isinstance(item, str) else [item])]
    return [given]


def _list(value: object) -> object:
    assert isinstance(value, tuple)
    return list(value)


def addresses() -> SettingType:
    """One or more addresses to listen on, as a tuple of strings; Python's socket addresses are read too."""

    def read(given: object) -> object:
        items = _items(given)
        if not items:
            raise InvalidValue
        found = tuple(_url(item) for item in items)
        places = [split_scheme(item)[1] for item in found]
        for place in places:
            if places.count(place) > 1 and not place.endswith(":0"):
                raise InvalidValue(f"each address once ({place} is there {places.count(place)} times)")
        return found

    wanted = f"{_ADDRESS}, and http:// or https:// before it if need be"
    return SettingType("ADDRESS", wanted, read, many=True, show=_list)


def address(*words: str) -> SettingType:
    """One address, or one of some words."""

    def read(given: object) -> object:
        return given if given in words else _address(given)

    return SettingType("|".join(("ADDRESS", *words)), " or ".join((_ADDRESS, *words)), read)


def peers() -> SettingType:
    """Who may connect: IP networks, "unix" and "*", as a tuple of strings; an address alone is a network of one."""

    def read(given: object) -> object:
        found = []
        for item in _items(given):
            if item == "":
                continue
            if item in ("unix", "*"):
                found.append(str(item))
                continue
            try:
                found.append(str(ipaddress.ip_network(str(item), strict=False)))
            except ValueError:
                raise InvalidValue(f"{wanted}; {item!r} is none of these") from None
        return tuple(found)

    wanted = "addresses or networks such as 10.0.0.0/8, separated by commas, unix or *"
    return SettingType("CIDRS", wanted, read, many=True, show=_list)
