"""Requests for tests of what comes behind the parser: a real head, and a peer that stands for a connection."""

from __future__ import annotations

from webpy.framework.origin import Origin
from webpy.framework.request import Request
from webpy.framework.tlsclient import TLSClient
from webpy.protocol import Head, Limits, parse_head

__all__ = ["FakePeer", "head_bytes", "head_of", "request_of"]


def head_bytes(method: str = "GET", target: str = "/", *fields: str, version: str = "HTTP/1.1") -> bytes:
    """A whole head with `Host: a`; fields: "Name: value" each."""
    return "\r\n".join([f"{method} {target} {version}", "Host: a", *fields, "", ""]).encode("latin-1")


def head_of(method: str = "GET", target: str = "/", *fields: str, version: str = "HTTP/1.1") -> Head:
    return parse_head(head_bytes(method, target, *fields, version=version), Limits())


class FakePeer:
    """What a request asks of its connection."""

    client_address = ("192.0.2.7", 4711)
    server_address = ("192.0.2.1", 8000)
    gone = False
    tls: object | None = None
    tls_client: TLSClient | None = None
    multithread = True
    peer = (b"192.0.2.7", b"%-40b" % b"192.0.2.7")

    @property
    def peer_address(self) -> tuple[str, int]:
        return self.client_address

    @property
    def origin(self) -> Origin:
        return Origin(self.client_address, "http" if self.tls is None else "https")


def request_of(method: str = "GET", target: str = "/", *fields: str, body: bytes = b"") -> Request:
    """A request whose body has arrived, in memory."""
    if body:
        fields = (*fields, f"Content-Length: {len(body)}")
    request = Request(FakePeer(), head_of(method, target, *fields))
    if body:
        request.raw_body = body
    return request
