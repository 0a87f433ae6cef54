"""Clients' certificates on the wire: what handlers, applications and scripts see of them, on each connection."""

from __future__ import annotations

import json
import ssl
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server import Server

from .certificates import Pairs, serial_of
from .client import Client

NAME = "Grüße, Ada"


SCRIPT = """#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n%s|%s|%s' "$SSL_CLIENT_VERIFY" "$SSL_CLIENT_S_DN_CN" "$SSL_CLIENT_M_SERIAL"
"""


@pytest.fixture(scope="module")
def scripts() -> Iterator[dict[str, str]]:
    """The environment of servers: with a folder of scripts that everybody may run, as a server of root's does so as
    nobody."""
    with tempfile.TemporaryDirectory(prefix="webpy-test-") as folder:
        script = Path(folder, "told")
        script.write_text(SCRIPT)
        for path in (script, Path(folder)):
            path.chmod(0o755)
        yield {"SCRIPTS": folder}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    found = Pairs(tmp_path_factory.mktemp("clients"))
    found.issue("tls", "localhost")
    return found


@pytest.fixture(scope="module", params=[1, 2])
def server(
    request: pytest.FixtureRequest, share: Callable[..., Server], pairs: Pairs, scripts: dict[str, str]
) -> Server:
    options = ("--workers", str(request.param), "--client-ca", str(pairs.ca), "--client-cert", "optional")
    trust = ("--forwarded-allow-ips", "127.0.0.1")
    server = share("clientcert", *pairs.options("tls"), *options, *trust, env=scripts)
    server.wait_for(r"worker \d .* is ready", count=request.param)
    return server


@pytest.fixture
def known(pairs: Pairs) -> ssl.SSLContext:
    """A client with a certificate."""
    context = pairs.context()
    issued = pairs.authority.issue_cert("ada@example.org", "ada.example", common_name=NAME)
    issued.configure_cert(context)
    context.serial = serial_of(issued.cert_chain_pems[0].bytes())  # type: ignore[attr-defined]
    return context


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def client(request: pytest.FixtureRequest, server: Server, known: ssl.SSLContext) -> Iterator[Client]:
    known.minimum_version = known.maximum_version = request.param
    with Client(server, tls=known) as made:
        yield made


@pytest.mark.parametrize("path", ["/handler", "/waiting"])
def test_a_handler(client: Client, known: ssl.SSLContext, path: str) -> None:
    for _ in range(4):
        (subject, name, sans, serial, pem, same), *_ = json.loads(client.ask(path).body)
        assert subject.startswith(r"CN=Grüße\, Ada,") and name == NAME and same
        assert sans == [["email", "ada@example.org"], ["DNS", "ada.example"]]
        assert serial == known.serial == serial_of(pem.encode())  # type: ignore[attr-defined]


def test_an_application(client: Client, known: ssl.SSLContext) -> None:
    for _ in range(3):  # the environment of a head that comes again is a copy
        found = json.loads(client.ask("/wsgi").body)
        assert found["SSL_CLIENT_VERIFY"] == "SUCCESS"
        assert found["SSL_CLIENT_S_DN_CN"].encode("latin-1").decode() == NAME
        assert found["SSL_CLIENT_M_SERIAL"] == known.serial  # type: ignore[attr-defined]
        assert found["SSL_CLIENT_SAN_DNS_0"] == "ada.example"
        assert serial_of(found["SSL_CLIENT_CERT"].encode()) == known.serial  # type: ignore[attr-defined]


def test_a_script(client: Client, known: ssl.SSLContext) -> None:
    said = client.ask("/cgi-bin/told").body.decode()
    assert said == f"SUCCESS|{NAME}|{known.serial}"  # type: ignore[attr-defined]


def test_a_resumed_session_keeps_it(server: Server, client: Client, known: ssl.SSLContext) -> None:
    client.ask("/handler")
    for _ in range(4):
        with Client(server, tls=known, session=client.sock.session) as again:
            (_, name, *_), *_ = json.loads(again.ask("/handler").body)
            assert again.sock.session_reused and name == NAME


def test_a_client_without_one(server: Server, pairs: Pairs) -> None:
    spoofed = ("SSL_CLIENT_VERIFY: SUCCESS", "SSL-CLIENT-VERIFY: SUCCESS", "X-SSL-Client-Verify: SUCCESS")
    with Client(server, tls=pairs.context()) as client:
        assert json.loads(client.ask("/handler", *spoofed).body)[0] is None
        assert json.loads(client.ask("/wsgi", *spoofed).body) == {}
        assert client.ask("/cgi-bin/told", *spoofed).body == b"||"


def test_what_a_proxy_says_of_the_scheme(client: Client) -> None:
    """The certificate is that of the connection, whichever client the proxy speaks for."""
    said = json.loads(client.ask("/handler", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https").body)
    assert said[0][1] == NAME
    assert json.loads(client.ask("/wsgi", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: http").body) == {}


def test_without_tls(start: Callable[..., Server], scripts: dict[str, str]) -> None:
    server = start("clientcert", "--workers", "1", "--forwarded-allow-ips", "127.0.0.1", env=scripts)
    with Client(server) as client:
        for fields in ((), ("X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https")):
            assert json.loads(client.ask("/handler", *fields).body)[0] is None
            assert json.loads(client.ask("/wsgi", *fields).body) == {}
            assert client.ask("/cgi-bin/told", *fields).body == b"||"
