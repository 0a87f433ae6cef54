"""Owns `Request`, the request as a handler sees it. No sockets: the connection is known only as a `Peer`."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, Any, Protocol

from .fields import MissingField
from .headers import HTTPHeaders

if TYPE_CHECKING:
    from ..protocol import Head
    from .origin import Origin
    from .tlsclient import TLSClient

__all__ = ["Peer", "Request"]


class Peer(Protocol):
    """What a request needs to know of the connection it came on.

    origin: of the client. peer: the client's address for the log, and the same padded for the scoreboard. peer_address:
    of the connection's other end, which is a proxy's if one forwards the request.
    """

    @property
    def origin(self) -> Origin: ...

    @property
    def peer(self) -> tuple[bytes, bytes]: ...

    @property
    def peer_address(self) -> tuple[str, int]: ...

    @property
    def tls(self) -> object | None: ...

    @property
    def tls_client(self) -> TLSClient | None: ...

    @property
    def server_address(self) -> tuple[str, int]: ...

    @property
    def gone(self) -> bool: ...

    @property
    def multithread(self) -> bool: ...


class _Headers(HTTPHeaders):
    """A client's headers: `headers[name]` of a missing field raises a KeyError that is answered with 400."""

    __slots__ = ()

    def __getitem__(self, name: str) -> str:
        try:
            return super().__getitem__(name)
        except KeyError:
            raise MissingField("headers", name) from None


class Request:
    """One request: its head, its body, and who sent it."""

    __slots__ = ("_error_headers", "_peer", "_stored", "body", "head", "headers", "id", "raw_body", "rfile", "trailers")

    _error_headers: HTTPHeaders | None
    head: Head
    headers: HTTPHeaders
    """The request's fields. It is a copy, which may be changed."""
    body: Any
    """The body: bytes, empty without a body, or what the handler's `decode` returned."""
    rfile: IO[bytes]
    """The body as a binary stream."""
    raw_body: bytes
    """The body as it arrived, if it is in memory; empty if it was too long for that."""
    trailers: tuple[tuple[str, str], ...]
    """The trailer fields of a chunked body, names as sent (RFC 9110 section 6.5); never merged into the headers."""
    id: str
    """The request's id in the error log; empty unless a mix-in has set it (`webpy.requestid`)."""

    def __init__(self, peer: Peer, head: Head) -> None:
        self._peer = peer
        self.head = head

    def __getattr__(self, name: str) -> Any:
        # Called for a slot that is not filled yet: most handlers need little of this, so it is made when used.
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
        """Take the body from `stream`. Called by the worker, for a body that is not in memory."""
        self.rfile = stream
        self._stored = True

    def _stored_body(self) -> bytes:
        stream = self.rfile
        if not stream.seekable():
            return stream.read()
        place = stream.tell()  # as with a short body, `body` is the whole, and using it does not move the stream
        stream.seek(0)
        body = stream.read()
        stream.seek(place)
        return body

    @property
    def error_headers(self) -> HTTPHeaders:
        """Fields for an error answer, for mix-ins to fill: they are sent with any error that does not set them itself.

        (Of the handler's own `response` an error answer has only the cookies, and only if it is an `HTTPError`.)
        """
        if self._error_headers is None:
            self._error_headers = HTTPHeaders()
        return self._error_headers

    @error_headers.setter
    def error_headers(self, headers: HTTPHeaders) -> None:
        self._error_headers = headers

    @property
    def has_error_headers(self) -> bool:
        """True if `error_headers` have been made."""
        return self._error_headers is not None

    @property
    def method(self) -> str:
        """The method as sent, such as "GET"."""
        return self.head.method

    @property
    def target(self) -> str:
        """The request target as the client sent it, for logs and for signatures over it. To decide by, use `path`."""
        return self.head.target

    @property
    def resource(self) -> str:
        """Path in normal form and query as sent, such as "/notes/a%20b?x=1"; "*" for `OPTIONS *`."""
        return self.head.resource

    @property
    def path(self) -> str:
        """The resource up to its query, in normal form (RFC 3986 section 6.2.2): escaped letters, digits and -._~ are
        decoded, the hex digits of other escapes are upper case, and there are no empty segments and no dot segments."""
        return self.head.resource.partition("?")[0]

    @property
    def query(self) -> str:
        """The resource after its first "?", as sent; empty if there is none."""
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
        """Host and port of the client; the host of a unix socket is "unix", its port 0.

        If a proxy that is trusted (`forwarded_allow_ips`) names the client, it is that one, with port 0 if the proxy
        names none.
        """
        return self._peer.origin.client_address

    @property
    def peer_address(self) -> tuple[str, int]:
        """Host and port of the other end of the connection: the client's, or those of the proxy in front."""
        return self._peer.peer_address

    @property
    def client_gone(self) -> bool:
        """True if the client has closed the connection, or its sending half. It looks at the socket, which takes 2 µs.

        For handlers that wait long, to give up when nobody will read the answer. To be used only while the handler, or
        the body it returned, runs.
        """
        return self._peer.gone

    @property
    def multithread(self) -> bool:
        """True if other requests may run in this process at the same time: False with `--threads 1`."""
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
    def tls_client(self) -> TLSClient | None:
        """The certificate that the other end of the connection has shown; None without one, and without TLS. Behind a
        proxy that speaks TLS to this server it is the proxy's."""
        return self._peer.tls_client

    @property
    def scheme(self) -> str:
        """ "https" or "http": that of the listener, unless a trusted proxy says otherwise."""
        return self._peer.origin.scheme

    @property
    def host(self) -> str:
        """The authority the client asked for, with its port if it named one; empty in HTTP/1.0 without Host.

        It is that of the Host field, unless a trusted proxy says otherwise.
        """
        host = self._peer.origin.host
        return self.head.host if host is None else host
