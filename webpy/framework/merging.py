"""Owns the rules for fields that are set twice: by a mix-in before its host runs, and by the host's own answer.

Called by all hosts (WSGI, CGI, the standard library's handlers, objects, files), and for cookies also where an error
replaces a handler's answer.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..protocol.grammar import members
from .headers import HTTPHeaders

__all__ = ["add_cookies", "merge", "put_cookie"]

#: fields that may occur several times, so both are sent; of all others the answer's own replace those set before
_ADDED = frozenset({"link", "proxy-authenticate", "server-timing", "set-cookie", "www-authenticate"})


def merge(headers: HTTPHeaders, fields: Iterable[tuple[str, str]]) -> None:
    """Merge the fields of an answer into those that are set already.

    Vary gets the members of both. Cookies, challenges and links are added; a cookie replaces an earlier one of the same
    name, path and domain. Fields of any other name replace all earlier ones of that name; a field that the answer
    itself has several times stays so.
    """
    if not len(headers):
        for name, value in fields:
            headers.add(name, value)
        return
    answer = list(fields)
    add_cookies(headers, [value for name, value in answer if name.lower() == "set-cookie"])
    for name in {name.lower() for name, _ in answer} - _ADDED - {"vary"}:
        if name in headers:
            headers.remove(name)
    for name, value in answer:
        low = name.lower()
        if low == "vary":
            for member in members(value):
                add_vary(headers, member)
        elif low != "set-cookie":
            headers.add(name, value)


def add_vary(headers: HTTPHeaders, member: str) -> None:
    """Add a member to Vary; "*" stands for all of them (RFC 9110 section 12.5.5)."""
    if member == "*":
        headers.set("Vary", "*")
    elif member and headers.get("Vary") != "*":
        headers.add_member("Vary", member)


def put_cookie(headers: HTTPHeaders, cookie: str) -> None:
    """Add a Set-Cookie instead of an earlier one of the same name, path and domain.

    (RFC 6265 section 4.1.1: no two of the same name in one answer.)
    """
    add_cookies(headers, [cookie])


def add_cookies(headers: HTTPHeaders, cookies: list[str]) -> None:
    """Add Set-Cookie fields instead of earlier ones of the same name, path and domain."""
    if not cookies:
        return
    earlier = headers.getlist("Set-Cookie")
    if earlier:
        replaced = {_identity(cookie) for cookie in cookies}
        headers.remove("Set-Cookie")
        for other in earlier:
            if _identity(other) not in replaced:
                headers.add("Set-Cookie", other)
    for cookie in cookies:
        headers.add("Set-Cookie", cookie)


def _identity(cookie: str) -> tuple[str, frozenset[str]]:
    """What makes two cookies the same one: name, path and domain (RFC 6265 section 5.3, step 11)."""
    pair, *attributes = (part.strip(" \t") for part in cookie.split(";"))
    named = (part.partition("=") for part in attributes)
    place = frozenset(f"{name.lower()}={value}" for name, _, value in named if name.lower() in ("path", "domain"))
    return pair.partition("=")[0].strip(" \t"), place
