"""Every pair of mix-ins before every host, in both orders: what each does is done, and nothing goes to another client.

Two clients ask by turns, each with an origin, credentials, a session, ids and codings of its own: see tests/matrix.py.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.client
import itertools
import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from tests import matrix
from tests.server import Server

VOLATILE = {"date", "expires", "last-modified", "set-cookie", "x-request-id", "etag"}


Connect = Callable[[], http.client.HTTPConnection]


@contextlib.contextmanager
def started(folder: Path, *options: str) -> Iterator[Server]:
    """A server with all routes of the table."""
    (folder / "files").mkdir()
    (folder / "files" / "a.txt").write_text(matrix.TEXT)
    (folder / "scripts").mkdir()
    head = "".join(f"{name}: {value}\n" for name, value in matrix.OWN)
    script = folder / "scripts" / "a.txt"
    script.write_text(f"#!/bin/sh\ncat <<'END'\n{head}\n{matrix.TEXT}END\n")
    script.chmod(0o755)
    (folder / "served.py").write_text("from tests.matrix import build\n\nroutes = build()\n")
    server = Server("served.py", "--access-log", "off", *options, cwd=folder)
    try:
        server.wait_until_listening()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with started(tmp_path_factory.mktemp("matrix"), "--workers", "1") as server:
        yield server


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The same under TLS, with two workers."""
    folder = tmp_path_factory.mktemp("encrypted")
    pem = folder / "server.pem"
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(pem))
    with started(folder, "--workers", "2", "--certfile", str(pem), "--keyfile", str(pem)) as server:
        yield server


class OldConnection(http.client.HTTPConnection):
    """A client with HTTP/1.0, which keeps no connection."""

    _http_vsn = 10
    _http_vsn_str = "HTTP/1.0"


class OldEncrypted(http.client.HTTPSConnection):
    """The same under TLS."""

    _http_vsn = 10
    _http_vsn_str = "HTTP/1.0"


@dataclass
class Client:
    """One of the two clients, with a connection and cookies of its own."""

    name: str
    connection: http.client.HTTPConnection
    count: int = 0
    session: str = ""
    seen: set[str] = field(default_factory=set)

    def ask(
        self, method: str, path: str, body: bytes | None = None, **fields: str
    ) -> tuple[http.client.HTTPResponse, str]:
        """Return the answer and its decoded text; a field with the value "" is not sent."""
        self.count += 1
        sent = {
            "Origin": f"https://{self.name}.example",
            "Authorization": "Basic " + base64.b64encode(f"{self.name}:{self.name[::-1]}".encode()).decode(),
            "X-Request-ID": f"{self.name}-{self.count}",
            "X-Client": self.name,
            "Accept-Encoding": "gzip" if self.name == "ann" else "identity",
            "Cookie": self.session,
        }
        sent.update((name.replace("_", "-"), value) for name, value in fields.items())
        self.connection.request(method, path, body, headers={name: value for name, value in sent.items() if value})
        answer = self.connection.getresponse()
        body = answer.read()
        if body and answer.getheader("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        return answer, body.decode()


def members(answer: http.client.HTTPResponse, name: str) -> list[str]:
    return [member.strip().lower() for member in (answer.getheader(name) or "").split(",") if member.strip()]


def check(answer: http.client.HTTPResponse, client: Client, mixins: tuple[str, ...], host: str) -> None:
    """Check that each mix-in did its work, for this client only, beside the fields of the host."""
    told = str(answer.headers)
    (other,) = {*matrix.CLIENTS} - {client.name}
    assert not any(secret in told for secret in client.seen), told
    assert other not in re.sub(r"session=[^;]+", "", told), told  # three letters occur in a random id now and then
    assert answer.headers.get_all("X-Request-ID", []) == ([f"{client.name}-{client.count}"] if "id" in mixins else [])
    origins = [f"https://{client.name}.example"] if "cors" in mixins else []
    assert answer.headers.get_all("Access-Control-Allow-Origin", []) == origins
    vary = members(answer, "Vary")
    assert len(vary) == len(set(vary)), vary
    assert ("origin" in vary) == ("cors" in mixins)
    policies = 1 if "security" in mixins and answer.status != 304 else 0
    assert len(answer.headers.get_all("Content-Security-Policy", [])) == policies
    if answer.status == 401:
        return
    assert len(answer.headers.get_all("RateLimit", [])) == ("rate" in mixins)
    assert ("cookie" in vary) == ("session" in mixins)
    assert ("accept-encoding" in vary) == ("compression" in mixins)
    cookies = answer.headers.get_all("Set-Cookie", [])
    given = [cookie for cookie in cookies if cookie.startswith("session=")]
    assert len(given) == ("session" in mixins and not client.session)
    assert all("HttpOnly" in cookie and "SameSite=Lax" in cookie for cookie in given)
    caching = members(answer, "Cache-Control")
    if "session" in mixins:
        assert "private" in caching and "public" not in caching
    else:
        assert caching == (["public", "max-age=60"] if "caching" in mixins else [])
    if host != "file" and answer.status == 200:
        assert [cookie for cookie in cookies if cookie.startswith("host=")] == ["host=1; Path=/"]
        assert "x-host" in vary
    if answer.status == 200:
        kinds = [kind.replace(" ", "") for kind in answer.headers.get_all("Content-Type", [])]
        assert kinds == ["text/plain;charset=utf-8"]
        assert len(answer.headers.get_all("ETag", [])) <= 1


def walk(connect: Connect, mixins: tuple[str, ...], host: str) -> list[dict[str, str]]:
    """Two clients take turns; return what each got, without what has to differ."""
    with contextlib.closing(connect()) as one, contextlib.closing(connect()) as other:
        clients = [Client(name, connection) for name, connection in zip(matrix.CLIENTS, (one, other), strict=True)]
        return ask_all(clients, mixins, host)


def ask_all(clients: list[Client], mixins: tuple[str, ...], host: str) -> list[dict[str, str]]:
    path = matrix.place_of(mixins, host) + "/a.txt"
    seen = []
    for _, client in itertools.product(range(2), clients):
        answer, text = client.ask("GET", path)
        assert (answer.status, text) == (200, matrix.TEXT)
        coded = "compression" in mixins and client.name == "ann"
        assert answer.getheader("Content-Encoding") == ("gzip" if coded else None)
        check(answer, client, mixins, host)
        names = {name.lower() for name, _ in answer.getheaders()} - VOLATILE
        seen.append({name: answer.getheader(name, "") for name in names})
        given = re.search(r"session=([^;]+)", str(answer.headers))
        if given:
            client.session = f"session={given[1]}"
            for one in clients:
                if one is not client:
                    one.seen.add(given[1])
        etag = answer.getheader("ETag")
        if "caching" in mixins and host in ("native", "wsgi", "stdlib", "objects", "grafted", "file"):
            assert etag is not None and etag.startswith("W/") == coded
        if etag is not None:
            fresh, text = client.ask("GET", path, If_None_Match=etag)
            assert (fresh.status, text) == (304, "")
            check(fresh, client, mixins, host)
        head, _ = client.ask("HEAD", path)
        assert head.status == 200
        vary = {*members(head, "Vary")}
        assert vary == {*members(answer, "Vary")} or host == "wsgi-pieces", vary
        if "auth" in mixins:
            for condition in ({}, {"If_None_Match": "*"}, {"If_Match": '"none"'}):
                refused, text = client.ask("GET", path, Authorization="", **condition)
                assert refused.status == 401 and "line" not in text
                assert refused.headers.get_all("WWW-Authenticate") == ['Basic realm="matrix", charset="UTF-8"']
                check(refused, client, mixins, host)
        if "decompression" in mixins:
            body = gzip.compress(b"what a client sends")
            answer, text = client.ask("GET", path, body=body, Content_Encoding="gzip")
            assert (answer.status, text) == (200, matrix.TEXT)
            check(answer, client, mixins, host)
            for coding, refusal in (("br", 415), ("gzip", 400)):
                refused, _ = client.ask("GET", path, body=body[:-1], Content_Encoding=coding)
                assert refused.status == refusal
                if refusal == 415:
                    assert refused.getheader("Accept-Encoding") == "gzip, deflate"
        if "csrf" in mixins:
            forged, text = client.ask("POST", path, Sec_Fetch_Site="cross-site")
            assert forged.status == 403 and "another site" in text
        if "cors" in mixins:
            asked = {"Authorization": "", "Access_Control_Request_Method": "PUT"}
            preflight, _ = client.ask("OPTIONS", path, **asked)
            assert preflight.status == 204 and "GET" in (preflight.getheader("Access-Control-Allow-Methods") or "")
    return seen


@pytest.mark.parametrize("host", matrix.HOSTS)
@pytest.mark.parametrize("pair", [*matrix.PAIRS, matrix.ALL], ids="-".join)
def test_both_orders_do_the_same_for_each_client(server: Server, pair: tuple[str, ...], host: str) -> None:
    first, *others = [walk(server.client, mixins, host) for mixins in matrix.orders(pair)]
    for seen in others:
        for one, other in zip(first, seen, strict=True):
            assert one.keys() == other.keys()
            for name in one:
                assert sorted(one[name].lower().split(", ")) == sorted(other[name].lower().split(", ")), name


@pytest.mark.parametrize("host", matrix.HOSTS)
@pytest.mark.parametrize("old", [False, True], ids=["1.1", "1.0"])
def test_all_of_them_under_tls_with_two_workers(encrypted: Server, host: str, *, old: bool) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    kind = OldEncrypted if old else http.client.HTTPSConnection
    walk(lambda: kind(*encrypted.address, timeout=10, context=context), matrix.ALL, host)


@pytest.mark.parametrize("host", matrix.HOSTS)
def test_pairs_in_http_1_0(server: Server, host: str) -> None:
    for mixins in (("session", "compression"), ("compression", "caching"), matrix.ALL):
        walk(lambda: OldConnection(*server.address, timeout=10), mixins, host)


@pytest.mark.parametrize("host", matrix.HOSTS)
@pytest.mark.parametrize("order", sorted(matrix.WRONG), ids="-".join)
def test_a_wrong_order_is_refused_with_the_right_one(order: tuple[str, str], host: str) -> None:
    outer, inner = (matrix.MIXINS[name].__name__ for name in order)
    with pytest.raises(TypeError, match=rf"{inner} must stand before {outer}: .*The right order is {inner}, {outer}"):
        matrix.made(order, host)
