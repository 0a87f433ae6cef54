"""Owns the environment that an application is called with (PEP 3333, RFC 3875 section 4.1).

Nearly all of it follows from the request's head. The worker caches heads, so `of_head` is called only once for a head
that is received repeatedly; the handler adds what belongs to one request to a copy.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from ..protocol import Head

__all__ = ["Environ", "FileWrapper", "of_head"]

Environ = dict[str, Any]

_PORTS = {"http": "80", "https": "443"}
#: fields that have their own variables, and Proxy: HTTP_PROXY would be taken for the proxy to use (CVE-2016-5385)
_NOT_PASSED = frozenset({"content-type", "content-length", "proxy"})


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


def of_head(head: Head, prefix: str, scheme: str, server: tuple[str, int]) -> Environ:
    """Return the part of the environment that follows from a request's head.

    prefix: the path that the application is mounted at; scheme: "http" or "https"; server: host and port that the
    client connected to. The host is used if the client names none, the port always (RFC 3875 section 4.1.15), as
    clients can send any. The client's address, the body and `wsgi.multithread` are not part of it.
    """
    path, _, query = head.resource.partition("?")
    environ: Environ = {
        "REQUEST_METHOD": head.method,
        "SCRIPT_NAME": _unquoted(prefix),
        "PATH_INFO": _unquoted(path[len(prefix) :]),
        "QUERY_STRING": query,
        "REQUEST_URI": head.target,
        "RAW_URI": head.target,
        "SERVER_NAME": _host(head.host) or server[0],
        "SERVER_PORT": str(server[1]) if server[1] else _PORTS[scheme],  # a unix socket has none
        "SERVER_PROTOCOL": f"HTTP/1.{head.minor}",
        "SERVER_SOFTWARE": "webpy",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.errors": sys.stderr,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "wsgi.input_terminated": True,
    }
    content_type = head.get("content-type")
    if content_type is not None:
        environ["CONTENT_TYPE"] = content_type
    if head.content_length is not None:
        environ["CONTENT_LENGTH"] = str(head.content_length)
    for field, value in head.fields:
        low = field.lower()
        if low in _NOT_PASSED or "_" in low:
            continue
        key = f"HTTP_{low.upper().replace('-', '_')}"
        if key in environ:  # one value for all fields of a name (RFC 9110 section 5.3, RFC 6265 section 5.4)
            value = f"{environ[key]}{'; ' if low == 'cookie' else ','}{value}"
        environ[key] = value
    if head.host:
        environ["HTTP_HOST"] = head.host  # the target's authority wins over the field (RFC 9112 section 3.2.2)
    return environ


def _unquoted(path: str) -> str:
    """Return the path percent-decoded, each byte as one character (PEP 3333, "Unicode Issues")."""
    return unquote_to_bytes(path.encode("latin-1")).decode("latin-1") if "%" in path else path


def _host(authority: str) -> str:
    """Return the host of an authority, without its port."""
    host, colon, _ = authority.rpartition(":")
    return host if colon and not authority.endswith("]") else authority
