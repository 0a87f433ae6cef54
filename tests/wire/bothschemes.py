"""Servers with listeners of both schemes, and their clients.

Owns the certificate, and where each listener is. Knows nothing of what a test asserts.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.server import LISTENING, Server

from .client import Client, Reply

__all__ = ["BINDS", "Both", "Place", "Trust", "begin"]

BINDS = ("--bind", "http://127.0.0.1:0", "--bind", "https://127.0.0.1:0")


class Trust:
    """An authority, the options for a server that has a certificate of it, and the context of its clients."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(folder / "cert.pem"))
        self.certfile = str(folder / "cert.pem")
        self.options = ("--certfile", self.certfile)
        self.context = ssl.create_default_context()
        authority.configure_trust(self.context)


@dataclass(frozen=True)
class Place:
    """Where one listener of a server is; `tls` is for its clients."""

    address: tuple[str, int]
    tls: ssl.SSLContext | None = None

    @property
    def port(self) -> int:
        return self.address[1]

    def client(self) -> Client:
        return Client(self, tls=self.tls)

    def ask(self, *args: str, **keywords: object) -> Reply:
        with self.client() as client:
            return client.ask(*args, **keywords)


def places(server: Server, trust: Trust, count: int = 2) -> list[Place]:
    """The last `count` places that the error log names."""
    lines = [line for line in server.errors if "listening on" in line]
    found = [LISTENING.search(line) for line in lines[-count:]]
    return [
        Place((each["v4"], int(each["port"])), trust.context if each["scheme"] == "https" else None)
        for each in found
        if each is not None
    ]


@dataclass(frozen=True)
class Both:
    """A server with a listener of each scheme."""

    server: Server
    http: Place
    https: Place


def begin(server: Server, trust: Trust) -> Both:
    server.wait_for("listening on", count=2)
    plain, secure = places(server, trust)
    assert plain.tls is None and secure.tls is not None
    return Both(server, plain, secure)
