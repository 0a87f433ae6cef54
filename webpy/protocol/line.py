"""Request lines and what stands in them: method, target in its four forms, version, authority (RFC 9112
section 3).

Owns their syntax and the refusals of one line; a path's normal form is path.py's. Must not know field
blocks. Called by head.py, and by fields.py for the Host.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address

from .errors import ProtocolError, show
from .grammar import HOST, TOKEN, VERSION, VERSIONS_SERVED
from .path import normal_path

__all__ = ["is_host", "parse_line", "resource_of"]

_HOST_CHARACTERS = 255 + 6  # longest DNS name (RFC 3986 section 3.2.2), colon, port
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"))  # known tokens


def parse_line(line: bytes) -> tuple[str, str, int]:
    """Method, target and minor version of a request line (RFC 9112 section 3)."""
    text = line.decode("latin-1")
    parts = text.split(" ")
    if len(parts) != 3:
        raise ProtocolError(400, f"request line {show(text)}, wanted METHOD SP TARGET SP HTTP/1.1")
    method, target, version = parts
    if method not in _METHODS and not TOKEN.fullmatch(method):
        raise ProtocolError(400, f"malformed method {show(method)}")
    if not target or not target.isprintable() or not target.isascii() or "#" in target:
        raise ProtocolError(400, f"malformed request target {show(target)}")
    minor = VERSIONS_SERVED.get(version)
    if minor is None:
        match = VERSION.fullmatch(version)
        if match is None or match[1] == "0":
            raise ProtocolError(400, f"malformed HTTP version {show(version)}")
        raise ProtocolError(505, f"{version} is not served, HTTP/1.1 is")
    if method == "CONNECT":
        # 501 and not 405 (RFC 9110 section 15.6.2): no resource of an origin server allows it, so there is no
        # Allow to send.
        raise ProtocolError(501, "CONNECT is not served: this is no proxy")
    return method, target, minor


def resource_of(method: str, target: str) -> tuple[str, str]:
    """Resource (path in normal form, and query as sent) and authority of a target (RFC 9112 section 3.2); the
    authority is empty in origin-form."""
    if target[0] == "/":
        return _normal(target), ""
    if target == "*":
        if method != "OPTIONS":
            raise ProtocolError(400, f"the target * is for OPTIONS, not for {show(method)}")
        return "*", ""
    scheme, colon, rest = target.partition("://")
    if not colon or scheme.lower() not in ("http", "https"):
        raise ProtocolError(400, f"malformed request target {show(target)}, wanted /path or http://host/path")
    end = len(rest)
    for delimiter in "/?":
        at = rest.find(delimiter, 0, end)
        if at >= 0:
            end = at
    authority, resource = rest[:end], rest[end:]
    if not is_host(authority):
        raise ProtocolError(400, f"malformed authority {show(authority)} in the request target")
    if not resource:
        return ("*" if method == "OPTIONS" else "/"), authority  # RFC 9112 section 3.2.4
    return _normal(resource if resource[0] == "/" else "/" + resource), authority


def _normal(resource: str) -> str:
    path, mark, query = resource.partition("?")
    if not ("%" in path or "//" in path or "/." in path or "\\" in path or '"' in path or "<" in path or ">" in path):
        return resource  # it was the query that is odd
    return normal_path(path) + mark + query


@lru_cache(maxsize=256)
def is_host(value: str) -> bool:
    """Whether this is a Host that names one host and, if any, one port (RFC 9110 section 7.2)."""
    if len(value) > _HOST_CHARACTERS:
        return False
    match = HOST.fullmatch(value)
    if match is None:
        return False
    host, port = match.groups()
    if port and int(port) > 65535:
        return False
    if host[0] == "[":
        try:
            IPv6Address(host[1:-1])
        except ValueError:
            return False
    return True
