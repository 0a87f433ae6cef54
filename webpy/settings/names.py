"""The types of values for certificates from an ACME directory: names of hosts, a URL, an e-mail address.

Used by `schema`. Resolves no names.
"""

from __future__ import annotations

import ipaddress
import re

from .types import InvalidValue, SettingType

__all__ = ["CHALLENGE_PATHS", "email", "host_names", "https_url"]

CHALLENGE_PATHS = r"/\.well-known/acme-challenge/([A-Za-z0-9_-]{20,128})"
"""Regex of the paths of HTTP-01 challenges (RFC 8555 8.3), whose tokens have 128 bits or more in base64url (8.1)."""

_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"  # RFC 1123 section 2.1
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*", re.ASCII)
_HTTPS = re.compile(r"https://[^\x00-\x20\x7f/?#@]+[^\x00-\x20\x7f#@]*")
_MAX_NAMES = 100  # in one certificate of Let's Encrypt


def _name(given: object) -> str:
    if not isinstance(given, str):
        raise InvalidValue
    name = given.strip().lower().removesuffix(".")
    if not name.isascii():
        raise InvalidValue(f"{_WANTED}, in ASCII: write the xn-- form of {given!r}")
    if name.startswith("*."):
        raise InvalidValue(
            f"names without '*': a wildcard such as {given!r} needs the challenge DNS-01, which webpy cannot answer"
        )
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        pass
    else:
        raise InvalidValue(f"{_WANTED}: {given!r} is an address")
    if not _NAME.fullmatch(name) or len(name) > 253:
        raise InvalidValue(f"{_WANTED}: {given!r} is none")
    return name


_WANTED = "the name of a host, such as example.org"


def host_names() -> SettingType:
    """Names of hosts in lower case, each once, as a tuple of strings; several in one string are separated by commas."""

    def read(given: object) -> object:
        items = [given] if isinstance(given, str) else given
        if not isinstance(items, (tuple, list)):
            raise InvalidValue
        parts = [part for item in items for part in (item.split(",") if isinstance(item, str) else [item])]
        found = tuple(dict.fromkeys(_name(part) for part in parts if part != ""))
        if len(found) > _MAX_NAMES:
            raise InvalidValue(f"at most {_MAX_NAMES} names")
        return found

    def show(value: object) -> object:
        return list(value) if isinstance(value, tuple) else value

    return SettingType("NAME", _WANTED, read, many=True, show=show)


def https_url() -> SettingType:
    """An absolute URL with the scheme https."""

    def read(given: object) -> object:
        if not isinstance(given, str) or not _HTTPS.fullmatch(given.strip()):
            raise InvalidValue
        return given.strip()

    return SettingType("URL", "a URL that begins with https://", read)


def email() -> SettingType:
    """An e-mail address; an empty string means none."""

    def read(given: object) -> object:
        if given == "":
            return None
        if not isinstance(given, str) or not re.fullmatch(r"[^\x00-\x20\x7f@,]+@[^\x00-\x20\x7f@,]+", given.strip()):
            raise InvalidValue
        return given.strip()

    return SettingType("ADDRESS", "an e-mail address", read)
