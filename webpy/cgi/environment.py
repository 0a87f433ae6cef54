"""Owns a script's environment and arguments: the meta-variables (RFC 3875 section 4.1) and those that all servers add.

Reads the request only, and knows nothing of processes. Values are str as in `os.environ`: bytes that the locale's
encoding does not have are surrogates. Variables without a value are left out, except for PATH_INFO and QUERY_STRING,
which are then empty because scripts expect them.
"""

from __future__ import annotations

import os
from urllib.parse import unquote_to_bytes

from ..framework.request import Request
from .finding import Found

__all__ = ["INHERITED", "arguments", "auth_variables", "meta_variables"]

INHERITED = ("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "PATH", "TZ")
"""The variables of the server's own environment that scripts get: none that may hold a secret."""

#: Fields that do not become HTTP_ variables. Proxy would become HTTP_PROXY, which clients use as their proxy
#: (CVE-2016-5385); credentials and the connection are handled by the server (section 4.1.18).
_KEPT_BACK = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "expect",
        "keep-alive",
        "proxy",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def meta_variables(request: Request, found: Found, remote: str, root: bytes, length: int | None) -> dict[str, str]:
    """Return the variables for a script, except for those of `auth_variables`.

    remote: the path of its directory's URL; root: the directory that PATH_TRANSLATED begins with; length: of the body
    in bytes, None if the request has none.
    """
    host = request.server_address[0]
    variables = {
        "DOCUMENT_ROOT": os.fsdecode(root),
        "GATEWAY_INTERFACE": "CGI/1.1",
        "PATH_INFO": os.fsdecode(found.info),
        "QUERY_STRING": request.query,
        "REDIRECT_STATUS": "200",  # php-cgi runs nothing without it
        "REMOTE_ADDR": request.client_address[0],
        "REMOTE_HOST": request.client_address[0],
        "REMOTE_PORT": str(request.client_address[1]),
        "REQUEST_METHOD": request.method,
        "REQUEST_SCHEME": request.scheme,
        "REQUEST_URI": request.target,
        "SCRIPT_FILENAME": os.fsdecode(found.path),
        "SCRIPT_NAME": os.fsdecode(unquote_to_bytes(remote) + found.name),
        "SERVER_ADDR": host,
        "SERVER_NAME": _host(request.host) or _bracketed(host),
        "SERVER_PORT": _port(request),
        "SERVER_PROTOCOL": request.http_version,
        "SERVER_SOFTWARE": "webpy",
    }
    if found.info:
        variables["PATH_TRANSLATED"] = os.fsdecode(root + found.info)
    if length is not None:
        variables["CONTENT_LENGTH"] = str(length)
    if request.scheme == "https":
        variables["HTTPS"] = "on"
        if request.tls_client is not None:
            variables.update(request.tls_client.variables())
    _add_fields(variables, request)
    if request.origin.host is not None:  # a trusted proxy says it
        variables["HTTP_HOST"] = request.host
    return variables


def auth_variables(request: Request, user: str) -> dict[str, str]:
    """Return the variables about a user who has logged in (RFC 3875 sections 4.1.1 and 4.1.11)."""
    scheme = (request.head.get("authorization") or "").partition(" ")[0]
    return {"REMOTE_USER": user, "AUTH_TYPE": scheme.capitalize()}


def _add_fields(variables: dict[str, str], request: Request) -> None:
    for name, value in request.head.fields:
        low = name.lower()
        text = os.fsdecode(value.encode("latin-1"))
        if low == "content-type":
            variables.setdefault("CONTENT_TYPE", text)
        # With other characters, such as an underscore, a name could be mistaken for another one.
        elif low not in _KEPT_BACK and low.replace("-", "").isalnum():
            key = "HTTP_" + low.upper().replace("-", "_")
            joint = "; " if low == "cookie" else ", "
            variables[key] = f"{variables[key]}{joint}{text}" if key in variables else text


def arguments(request: Request) -> list[bytes]:
    """Return the words of a query without "=" (RFC 3875 section 4.4); none of them if one begins with "-"."""
    if request.method not in ("GET", "HEAD") or not request.query or "=" in request.query:
        return []
    words = [unquote_to_bytes(word) for word in request.query.split("+")]
    return [] if any(word.startswith(b"-") or b"\0" in word for word in words) else words


def _host(authority: str) -> str:
    """Return the host of an authority, without its port; an IPv6 address keeps its brackets (section 4.1.14)."""
    if authority.startswith("["):
        return authority.partition("]")[0] + "]"
    return authority.partition(":")[0]


def _port(request: Request) -> str:
    """Return the port that the client connected to: the server's, or that of the host which a trusted proxy names."""
    _, scheme, host = request.origin
    usual = "443" if scheme == "https" else "80"
    if host is None:
        return str(request.server_address[1] or usual)
    return host.rpartition(":")[2] if ":" in host and not host.endswith("]") else usual


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
