"""Owns the environment that an application is called with (PEP 3333, RFC 3875 section 4.1).

Nearly all of it follows from the request's head. The worker caches heads, so the handler keeps what `of_head` returns
with a head that is received repeatedly; it writes what belongs to one request into a copy.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from ..framework.origin import Origin
    from ..framework.tlsclient import TLSClient
    from ..protocol import Head

__all__ = ["Environ", "FileWrapper", "add_tls_client", "of_head"]

Environ = dict[str, Any]

_PORTS = {"http": "80", "https": "443"}
#: fields that have their own variables, and Proxy: HTTP_PROXY would be taken for the proxy to use (CVE-2016-5385)
_NOT_PASSED = frozenset({"content-type", "content-length", "proxy"})
_MAX_NAMES = 512  # whose variables are kept
_MAX_NAME_CHARACTERS = 64  # longer ones are not kept


class FileWrapper:
    """`wsgi.file_wrapper`: an iterable of a file's blocks. A file with a descriptor is sent from that instead."""

    def __init__(self, filelike: IO[bytes], blksize: int = 65536) -> None:
        """filelike: any object with `read`; blksize: how many bytes to read at a time."""
        self.filelike = filelike
        self.blksize = blksize

    def __iter__(self) -> Iterator[bytes]:
        while block := self.filelike.read(self.blksize):
            yield block

    def close(self) -> None:
        close = getattr(self.filelike, "close", None)
        if close is not None:
            close()


class _Variables(dict[str, str]):
    """Maps the name of a field, as sent, to its variable: "" if it is not passed to the application.

    Clients send the same few names again and again. One that sends ever new names fills the mapping, which then begins
    anew: that costs as much as working out each variable.
    """

    def __missing__(self, name: str) -> str:
        low = name.lower()
        variable = "" if low in _NOT_PASSED or "_" in low else f"HTTP_{low.upper().replace('-', '_')}"
        if len(name) <= _MAX_NAME_CHARACTERS:
            if len(self) >= _MAX_NAMES:
                self.clear()
            self[name] = variable
        return variable


_variables = _Variables()

#: what is the same in all environments, and places for what the handler writes into the copy for each request
_CONSTANT: Environ = {
    "SERVER_SOFTWARE": "webpy",
    "REMOTE_ADDR": "",
    "REMOTE_PORT": "",
    "wsgi.version": (1, 0),
    "wsgi.input": None,
    "wsgi.errors": None,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    "wsgi.file_wrapper": FileWrapper,
    "wsgi.input_terminated": True,
}


def of_head(head: Head, prefix: str, origin: Origin, server: tuple[str, int]) -> Environ:
    """Return the part of the environment that follows from a request's head.

    prefix: the path that the application is mounted at; origin: gives the scheme, and the host if a trusted proxy says
    it; server: host and port that were connected to. The server's host is used if the client names none; its port
    always, as clients can send any (RFC 3875 section 4.1.15), unless the proxy says which host the client asked for.
    The client's address, the body and `wsgi.multithread` are the handler's to set.
    """
    path, _, query = head.resource.partition("?")
    environ = _CONSTANT.copy()
    environ["REQUEST_METHOD"] = head.method
    environ["SCRIPT_NAME"] = _unquoted(prefix)
    environ["PATH_INFO"] = _unquoted(path[len(prefix) :])
    environ["QUERY_STRING"] = query
    environ["REQUEST_URI"] = environ["RAW_URI"] = head.target
    host = head.host if origin.host is None else origin.host
    name, port = _host_and_port(host)
    environ["SERVER_NAME"] = name or server[0]
    if origin.host is not None:
        environ["SERVER_PORT"] = port or _PORTS[origin.scheme]
    else:
        environ["SERVER_PORT"] = str(server[1]) if server[1] else _PORTS[origin.scheme]  # a unix socket has none
    environ["SERVER_PROTOCOL"] = "HTTP/1.1" if head.minor else "HTTP/1.0"
    environ["wsgi.url_scheme"] = origin.scheme
    environ["wsgi.errors"] = sys.stderr  # which an application may have replaced
    content_type = head.get("content-type")
    if content_type is not None:
        environ["CONTENT_TYPE"] = content_type
    if head.content_length is not None:
        environ["CONTENT_LENGTH"] = str(head.content_length)
    for field, value in head.fields:
        variable = _variables[field]
        if not variable:
            continue
        if variable in environ:  # one value for all fields of a name (RFC 9110 section 5.3, RFC 6265 section 5.4)
            value = f"{environ[variable]}{'; ' if variable == 'HTTP_COOKIE' else ','}{value}"
        environ[variable] = value
    if host:
        environ["HTTP_HOST"] = host  # the target's authority wins over the field (RFC 9112 section 3.2.2)
    return environ


def add_tls_client(environ: Environ, client: TLSClient) -> None:
    """Add the variables of a client's certificate; their texts are UTF-8, each byte as one character."""
    for name, value in client.variables().items():
        environ[name] = value if value.isascii() else value.encode().decode("latin-1")


def _unquoted(path: str) -> str:
    """Return the path percent-decoded, each byte as one character (PEP 3333, "Unicode Issues")."""
    return unquote_to_bytes(path.encode("latin-1")).decode("latin-1") if "%" in path else path


def _host_and_port(authority: str) -> tuple[str, str]:
    """Return the host and the port of an authority; "" for no port."""
    host, colon, port = authority.rpartition(":")
    return (host, port) if colon and not authority.endswith("]") else (authority, "")
