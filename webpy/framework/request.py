"""Owns `Request`, what a handler is told of the request; no sockets: the connection is only asked for addresses."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, Any, Protocol

from .fields import MissingField
from .headers import HTTPHeaders

if TYPE_CHECKING:
    from ..protocol import Head
    from .origin import Origin

__all__ = ["Peer", "Request"]


class Peer(Protocol):
    """What a request asks of the connection it came on."""

    @property
    def origin(self) -> Origin: ...

    @property
    def tls(self) -> object | None: ...

    @property
    def server_address(self) -> tuple[str, int]: ...

    @property
    def gone(self) -> bool: ...

    @property
    def multithread(self) -> bool: ...


class _Headers(HTTPHeaders):
    """A client may leave out any field: `headers[name]` of a missing one is its mistake (400), and a KeyError."""

    __slots__ = ()

    def __getitem__(self, name: str) -> str:
        try:
            return super().__getitem__(name)
        except KeyError:
            raise MissingField("headers", name) from None


class Request:
    """One request: its head, its body and who sent it.

    `body` is the decoded body as bytes (empty when there is none) and `rfile` a binary stream of it.
    """

    __slots__ = ("_error_headers", "_peer", "_stored", "body", "head", "headers", "id", "raw_body", "rfile", "trailers")

    _error_headers: HTTPHeaders | None
    head: Head
    headers: HTTPHeaders
    """The request's fields; a copy of this request's own, so that it may be changed."""
    body: Any
    """The body: bytes, or what the handler's `decode` made of them."""
    rfile: IO[bytes]
    """The body as a binary stream."""
    raw_body: bytes
    """The body as it arrived, if it was small enough to be kept in memory; empty otherwise."""
    trailers: tuple[tuple[str, str], ...]
    """Trailer fields of a chunked body, names as sent (RFC 9110 section 6.5); never merged into the headers."""
    id: str
    """What the error log calls the request; empty, unless a mix-in set it (`webpy.requestid`)."""

    def __init__(self, peer: Peer, head: Head) -> None:
        self._peer = peer
        self.head = head

    def __getattr__(self, name: str) -> Any:
        # Runs when a slot has not been filled: most handlers never ask for most of this, so none of it is made before.
        value: Any
        if name == "headers":
            value = _Headers(self.head.fields)
        elif name == "raw_body":
            value = b""
        elif name == "rfile":
            value = io.BytesIO(self.raw_body)
        elif name == "body":
            value = self._stored_body() if self._stored else self.raw_body
        elif name == "trailers":
            value = ()
        elif name == "_error_headers":
            return None
        elif name == "id":
            value = ""
        elif name == "_stored":
            value = False
        else:
            raise AttributeError(f"a request has no {name!r}")
        setattr(self, name, value)
        return value

    def read_from(self, stream: IO[bytes]) -> None:
        """Take the body from `stream` (the worker, for a body that is not in memory)."""
        self.rfile = stream
        self._stored = True

    def _stored_body(self) -> bytes:
        stream = self.rfile
        if not stream.seekable():
            return stream.read()
        place = stream.tell()  # a long body reads as a short one does: whole, and without moving the stream
        stream.seek(0)
        body = stream.read()
        stream.seek(place)
        return body

    @property
    def error_headers(self) -> HTTPHeaders:
        """Fields that go with an error too, whoever raised it, unless it has its own: of what a handler's `response`
        holds only cookies are sent then, and only with an `HTTPError`. For mix-ins to fill; empty before."""
        if self._error_headers is None:
            self._error_headers = HTTPHeaders()
        return self._error_headers

    @property
    def has_error_headers(self) -> bool:
        """Whether there are any `error_headers`."""
        return self._error_headers is not None

    @property
    def method(self) -> str:
        """The method as sent, such as "GET"."""
        return self.head.method

    @property
    def target(self) -> str:
        """The request target as the client sent it: for logs, and for what was computed over it. Decide by `path`."""
        return self.head.target

    @property
    def resource(self) -> str:
        """Path in normal form and query as sent, such as "/notes/a%20b?x=1"; "*" for `OPTIONS *`."""
        return self.head.resource

    @property
    def path(self) -> str:
        """The resource up to its query, in normal form (RFC 3986 section 6.2.2): escaped letters, digits and -._~ are
        decoded, other escapes have upper-case digits and stay, and there are no empty or dot segments."""
        return self.head.resource.partition("?")[0]

    @property
    def query(self) -> str:
        """What follows the first "?" of the resource, as sent; empty when there is none."""
        return self.head.resource.partition("?")[2]

    @property
    def http_version(self) -> str:
        """The protocol version: "HTTP/1.1" or "HTTP/1.0"."""
        return "HTTP/1.1" if self.head.minor else "HTTP/1.0"

    @property
    def origin(self) -> Origin:
        """Who asks, and under which scheme and host."""
        return self._peer.origin

    @property
    def client_address(self) -> tuple[str, int]:
        """Host and port of the client; the host of a unix socket is "unix", its port 0."""
        return self._peer.origin.client_address

    @property
    def client_gone(self) -> bool:
        """Whether the client has closed the connection, or said that it sends no more: a look at the socket (2 µs).

        For handlers that wait long: the answer may have nobody who reads it. Only while the handler, or the body that
        it gave, runs.
        """
        return self._peer.gone

    @property
    def multithread(self) -> bool:
        """Whether other requests may run in this process meanwhile: False with `--threads 1`."""
        return self._peer.multithread

    @property
    def server_address(self) -> tuple[str, int]:
        """Host and port that the client connected to; ("unix", 0) for a unix socket."""
        return self._peer.server_address

    @property
    def tls(self) -> object | None:
        """The `ssl.SSLSocket` of the connection, or None without TLS."""
        return self._peer.tls

    @property
    def scheme(self) -> str:
        """ "https" or "http", as the listener that the request came by has it."""
        return self._peer.origin.scheme

    @property
    def host(self) -> str:
        """The authority the client asked for, with its port if it named one; empty in HTTP/1.0 without Host."""
        host = self._peer.origin.host
        return self.head.host if host is None else host
