"""`--forwarded-allow-ips` on the wire: handlers, hosts, logs and limits see the client that a trusted proxy names, and
what anybody else says of himself changes nothing."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.authority import write_certificate
from tests.server import Server

from .client import get, until

pytestmark = pytest.mark.slow

APP = Path(__file__).parent / "apps" / "forwarded.py"
REAL = "203.0.113.7"
OWN_HOST = "site.example"
PROXY, STRANGER = "127.0.0.2", "127.0.0.3"  # addresses that the tests' own clients have

Serve = Callable[..., Server]
Fields = list[tuple[str, str]]


class Asking:
    """Requests on one connection, which comes from `source`."""

    def __init__(self, server: Server, source: str = PROXY, tls: ssl.SSLContext | None = None) -> None:
        if server.path:
            self._client = server.client()
        elif tls is None:
            self._client = http.client.HTTPConnection(*server.address, timeout=15, source_address=(source, 0))
        else:
            self._client = http.client.HTTPSConnection(
                *server.address, timeout=15, source_address=(source, 0), context=tls
            )

    def answer(self, path: str, *fields: tuple[str, str], body: bytes | None = None) -> http.client.HTTPResponse:
        client = self._client
        client.putrequest("GET" if body is None else "POST", path, skip_host=True, skip_accept_encoding=True)
        for name, value in (("Host", OWN_HOST), *fields):
            client.putheader(name, value.encode("latin-1"))
        if body is not None:
            client.putheader("Content-Length", str(len(body)))
        client.endheaders(body)
        return client.getresponse()

    def __call__(self, path: str, *fields: tuple[str, str], body: bytes | None = None) -> str:
        answer = self.answer(path, *fields, body=body)
        assert answer.status == 200, (answer.status, answer.read())
        return answer.read().decode()

    @property
    def port(self) -> int:
        """Of the client's end of the connection."""
        port: int = self._client.sock.getsockname()[1]
        return port

    def close(self) -> None:
        self._client.close()


@contextlib.contextmanager
def asking(server: Server, source: str = PROXY, tls: ssl.SSLContext | None = None) -> Iterator[Asking]:
    with contextlib.closing(Asking(server, source, tls)) as ask:
        yield ask


@pytest.fixture(scope="module", params=["one worker", "two workers", "TLS"])
def behind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, object]]:
    """A server that trusts PROXY and 10.0.0.0/8, and the client's TLS context."""
    cwd, context = tmp_path_factory.mktemp("forwarded"), None
    options = ["--workers", "2" if request.param == "two workers" else "1"]
    options += ["--forwarded-allow-ips", f"{PROXY},10.0.0.0/8"]
    if request.param == "TLS":
        context = write_certificate(cwd)
        options += ["--certfile", "cert.pem"]
    server = Server(APP, *options, cwd=cwd)
    try:
        server.wait_until_listening()
        yield server, context
    finally:
        server.kill()


@pytest.fixture
def proxy(behind: tuple[Server, ssl.SSLContext | None]) -> Iterator[Asking]:
    with asking(behind[0], PROXY, behind[1]) as ask:
        yield ask


@pytest.fixture
def stranger(behind: tuple[Server, ssl.SSLContext | None]) -> Iterator[Asking]:
    with asking(behind[0], STRANGER, behind[1]) as ask:
        yield ask


@pytest.fixture
def own_scheme(behind: tuple[Server, ssl.SSLContext | None]) -> str:
    return "http" if behind[1] is None else "https"


# -- what hosts see ----------------------------------------------------------------------------------------------------

X_FIELDS = [
    ("X-Forwarded-For", f"6.6.6.6, {REAL}"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "a.example:81"),
]
RFC_FIELDS = [("Forwarded", f'for=6.6.6.6, for="{REAL}:4711";proto=https;host="a.example:81"')]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "{address} {port} https a.example:81"),
        ("/waiting", "{address} {port} https a.example:81"),
        ("/wsgi/x", "{address} {port} https a.example:81 a.example 81"),
        ("/stdlib/x", "{address} {port}"),
        ("/objects/", "{address} {port} https://a.example:81"),
        ("/cgi/who", "{address} {port} https a.example:81 a.example 81 on"),
    ],
)
@pytest.mark.parametrize("fields", [X_FIELDS, RFC_FIELDS], ids=["x", "rfc"])
def test_every_host_sees_the_client(proxy: Asking, path: str, expected: str, fields: Fields) -> None:
    port = 0 if fields is X_FIELDS else 4711
    for _ in range(12):  # heads that come again are not parsed again, and handlers that wait move to the pool
        assert proxy(path, *fields) == expected.format(address=REAL, port=port)


@pytest.mark.parametrize("path", ["/", "/streaming"])
def test_requests_with_bodies(proxy: Asking, path: str) -> None:
    for size in (1, 100_000):
        for _ in range(3):
            assert proxy(path, *X_FIELDS, body=b"x" * size) == f"{REAL} 0 https a.example:81"


def test_the_peer_s_own_address_is_known_too(proxy: Asking) -> None:
    assert proxy("/peer", *X_FIELDS).startswith(f"{PROXY} of ")


def test_the_same_head_from_another_peer_is_read_again(
    proxy: Asking, stranger: Asking, own_scheme: str, behind: tuple[Server, ssl.SSLContext | None]
) -> None:
    """Plans are kept by the bytes of heads."""
    with asking(behind[0], "127.0.0.4", behind[1]) as other:
        for _ in range(8):
            for path, more in (("/", ""), ("/wsgi/x", None)):
                assert proxy(path, *X_FIELDS).startswith(f"{REAL} 0 https a.example:81")
                for each, source in ((stranger, STRANGER), (other, "127.0.0.4")):
                    got = each(path, *X_FIELDS)
                    assert re.match(rf"{source} [1-9]\d* {own_scheme} {OWN_HOST}{'$' if more == '' else ' '}", got), got


def test_each_request_of_a_connection_has_a_client_of_its_own(proxy: Asking, own_scheme: str) -> None:
    for _ in range(4):
        for number in range(1, 5):
            assert proxy("/", ("X-Forwarded-For", f"192.0.2.{number}")) == f"192.0.2.{number} 0 {own_scheme} {OWN_HOST}"
        assert proxy("/").startswith(f"{PROXY} ")


@pytest.mark.parametrize("field", [("X-Forwarded-Proto", "https"), ("Forwarded", "for=_hidden;proto=https")])
def test_a_client_that_is_not_named_is_the_peer_of_each_connection(
    behind: tuple[Server, ssl.SSLContext | None], field: tuple[str, str]
) -> None:
    """With the port of that connection: what is kept of a head must not carry that of another."""
    for _ in range(6):
        with asking(behind[0], PROXY, behind[1]) as ask:
            for _ in range(2):
                got = ask("/", field)
                assert got == f"{PROXY} {ask.port} https {OWN_HOST}"


def test_pipelined_requests(behind: tuple[Server, ssl.SSLContext | None]) -> None:
    server, tls = behind
    if tls is not None:
        return  # `Client` knows the certificate of another name; pipelines do not know what carries them
    with asking(server) as ask:
        sock = socket.create_connection(server.address, 15, source_address=(PROXY, 0))
        with sock:
            sock.sendall(b"".join(get("/", f"X-Forwarded-For: 192.0.2.{n}") for n in range(1, 9)) + get("/"))
            received = b""
            while received.count(b" http a") < 9:
                received += sock.recv(65536)
        assert re.findall(rb"\n(192\.0\.2\.\d|127\.0\.0\.2) ", received) == [
            *(b"192.0.2.%d" % n for n in range(1, 9)),
            PROXY.encode(),
        ]
        assert ask("/").startswith(PROXY)


@pytest.mark.parametrize(
    ("fields", "host"),
    [
        ([("X-Forwarded-Port", "8443")], f"{OWN_HOST}:8443"),
        ([("X-Forwarded-Port", "443"), ("X-Forwarded-Proto", "https")], OWN_HOST),
        ([("X-Forwarded-Port", "443"), ("X-Forwarded-Proto", "http")], f"{OWN_HOST}:443"),
        ([("X-Forwarded-Host", "b.example:1"), ("X-Forwarded-Port", "80"), ("X-Forwarded-Proto", "http")], "b.example"),
        ([("X-Forwarded-Host", "[2001:db8::1]"), ("X-Forwarded-Port", "81")], "[2001:db8::1]:81"),
        ([("X-Forwarded-Host", "[2001:db8::1]:9"), ("X-Forwarded-Port", "81")], "[2001:db8::1]:81"),
    ],
)
def test_the_port_that_the_client_connected_to(proxy: Asking, fields: Fields, host: str) -> None:
    assert proxy("/", *fields).split()[3] == host
    assert proxy("/wsgi/", *fields).split()[3] == host


def test_routes_of_hosts_follow_the_client_s_host(proxy: Asking, stranger: Asking) -> None:
    for _ in range(5):
        for name in ("one", "two"):
            assert proxy("/host", ("X-Forwarded-Host", f"{name}.example")) == f"{name} for {name}.example"
        assert proxy("/host", ("Forwarded", "host=two.example")) == "two for two.example"
        answer = stranger.answer("/host", ("X-Forwarded-Host", "one.example"))
        assert (answer.status, answer.read()[:3]) == (404, b"404")


def test_cookies_are_secure_and_redirects_lead_back_through_the_proxy(
    proxy: Asking, stranger: Asking, own_scheme: str
) -> None:
    for ask, scheme, host in ((proxy, "https", "a.example:81"), (stranger, own_scheme, OWN_HOST)):
        answer = ask.answer("/session", *X_FIELDS)
        answer.read()
        assert ("; Secure" in answer.headers["Set-Cookie"]) == (scheme == "https")
        answer = ask.answer("/objects/away", *X_FIELDS)
        answer.read()
        assert answer.headers["Location"] == f"{scheme}://{host}/there"


# -- spoofing ----------------------------------------------------------------------------------------------------------

SPOOFS: list[Fields] = [
    [("X-Forwarded-For", "6.6.6.6")],
    [("X-Forwarded-For", "6.6.6.6, 10.0.0.1")],
    [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "10.0.0.1")],
    [("X-Forwarded-For", "6.6.6.6, 6.6.6.6, 10.0.0.1, 10.0.0.2")],
    [("x-forwarded-for", "6.6.6.6"), ("X-FORWARDED-FOR", "6.6.6.6")],
    [("X-Forwarded-For", "6.6.6.6,")],
    [("X-Forwarded-For", ",,6.6.6.6,,")],
    [("X-Forwarded-For", "6.6.6.6\t , ")],
    [("X-Forwarded-For", "6.6.6.6:80")],
    [("X-Forwarded-For", '"6.6.6.6"')],
    [("X-Forwarded-For", "6.6.6.6;6.6.6.6")],
    [("X-Forwarded-For", "666")],
    [("X-Forwarded-For", "[2001:db8:6::6]:80")],
    [("X-Forwarded-For", "2001:db8:6::6")],
    [("X-Forwarded-For", "[2001:db8:6::6")],
    [("X-Forwarded-For", "::ffff:6.6.6.6")],
    [("X-Forwarded-For", "::ffff:10.0.0.1")],
    [("X-Forwarded-For", "unknown")],
    [("X-Forwarded-For", "_hidden")],
    [("X-Forwarded-For", "unix:")],
    [("X-Forwarded-For", "unix")],
    [("X-Forwarded-For", "*")],
    [("X-Forwarded-For", PROXY)],
    [("X-Forwarded-For", "localhost")],
    [("X-Forwarded-For", "0.0.0.0/0")],
    [("X-Forwarded-For", ", ".join(["6.6.6.6"] * 1000))],
    [("X-Forwarded-For", ", ".join(["10.0.0.1"] * 1000))],
    [("X-Forwarded-For", "6.6.6.6\xa0")],
    [("X_Forwarded_For", "6.6.6.6")],
    [("X-Forwarded-Proto", "gopher")],
    [("X-Forwarded-Host", "evil.example")],
    [("X-Forwarded-Host", "evil.example, evil.example")],
    [("X-Forwarded-Host", "evil.example/@")],
    [("X-Forwarded-Port", "666")],
    [("X-Forwarded-Port", "66666")],
    [("X-Forwarded-For", "6.6.6.6, 10.0.0.1"), ("X-Forwarded-Host", "evil.example, evil.example")],
    [("X-Forwarded-Server", "evil.example"), ("X-Real-IP", "6.6.6.6"), ("True-Client-IP", "6.6.6.6")],
    [("CF-Connecting-IP", "6.6.6.6"), ("X-Forwarded-Scheme", "gopher"), ("Client-IP", "6.6.6.6")],
    [("Forwarded", "for=6.6.6.6;host=evil.example")],
    [("Forwarded", "for=6.6.6.6;proto=gopher")],
    [("Forwarded", 'for="6.6.6.6:80"')],
    [("Forwarded", 'for="[2001:db8:6::6]:80"')],
    [("Forwarded", "for=[2001:db8:6::6]")],
    [("Forwarded", "for=6.6.6.6, for=10.0.0.1")],
    [("Forwarded", "for=6.6.6.6"), ("Forwarded", "for=10.0.0.1")],
    [("Forwarded", "for=6.6.6.6;for=6.6.6.6")],
    [("Forwarded", 'for="6.6.6.6')],
    [("Forwarded", 'for=6.6.6.6;host="')],
    [("Forwarded", 'for=6.6.6.6;host="evil.example\\"')],
    [("Forwarded", 'for=6.6.6.6;ext="a, for=6.6.6.6')],
    [("Forwarded", '", for=6.6.6.6;host=evil.example, "')],
    [("Forwarded", "for=_hidden;by=_secret;host=evil.example")],
    [("Forwarded", "for=unknown;host=evil.example")],
    [("Forwarded", ", ,for=6.6.6.6, ,")],
    [("Forwarded", "for=6.6.6.6;")],
    [("Forwarded", "; ; host=evil.example")],
    [("Forwarded", "for = 6.6.6.6")],
    [("forwarded", ", ".join(["for=10.0.0.1"] * 500))],
    [("Forwarded", "for=6.6.6.6"), ("X-Forwarded-For", "6.6.6.6")],
]  # fmt: skip


@pytest.mark.parametrize("fields", SPOOFS, ids=[repr(spoof)[:60] for spoof in SPOOFS])
def test_what_a_stranger_sends_is_ignored(stranger: Asking, own_scheme: str, fields: Fields) -> None:
    for _ in range(2):
        got = stranger("/", *fields)
        assert re.fullmatch(rf"{STRANGER} [1-9]\d* {own_scheme} {OWN_HOST}", got), got


#: what proxies do with the fields they receive: the family they add to, and whether to the value or as another line
WAYS: dict[str, tuple[str, Callable[[str], str]]] = {
    "X-Forwarded-For": ("X-Forwarded-For", str),
    "Forwarded": ("Forwarded", "for={};proto=https;host=site.example".format),
}


def _added(fields: Fields, family: str, joined: bool) -> Fields:
    """The fields that a right proxy sends: it adds to those of its family, and passes on none of the other."""
    name, text = WAYS[family]
    theirs = [(each, value) for each, value in fields if each.lower() == name.lower()]
    if family == "X-Forwarded-For":
        rest = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", OWN_HOST), ("X-Forwarded-Port", "443")]
    else:
        rest = []
    if joined and theirs:
        value = ", ".join(value for _, value in theirs)
        return [(name, f"{value}, {text(REAL)}"), *rest]
    return [*theirs, (name, text(REAL)), *rest]


@pytest.mark.parametrize("family", WAYS)
@pytest.mark.parametrize("option", ["auto", "own"])
def test_what_a_client_sends_through_a_proxy_is_ignored(serve: Serve, family: str, option: str) -> None:
    header = "auto" if option == "auto" else {"X-Forwarded-For": "x-forwarded", "Forwarded": "forwarded"}[family]
    server = serve(APP, "--workers", "1", "--forwarded-allow-ips", f"{PROXY},10.0.0.0/8", "--forwarded-header", header)
    with asking(server) as ask:
        for fields in SPOOFS:
            for joined in (True, False):
                assert ask("/", *_added(fields, family, joined)) == f"{REAL} 0 https {OWN_HOST}", fields


@pytest.mark.parametrize("family", WAYS)
def test_the_other_family_passed_on_unread(serve: Serve, family: str) -> None:
    """A proxy sets one family and passes on the other one as the client sent it. With `--forwarded-header` only its
    own counts; with auto, nothing counts if they disagree."""
    header = {"X-Forwarded-For": "x-forwarded", "Forwarded": "forwarded"}[family]
    named = serve(APP, "--workers", "1", "--forwarded-allow-ips", PROXY, "--forwarded-header", header)
    either = serve(APP, "--workers", "1", "--forwarded-allow-ips", PROXY)
    others = ("forwarded",) if family == "X-Forwarded-For" else ("x-forwarded-for", "x-forwarded-host")
    own = f"{REAL} 0 https {OWN_HOST}"
    with asking(named) as to_named, asking(either) as to_either:
        for fields in SPOOFS:
            sent = [(name, value) for name, value in fields if name.lower() in others] + _added([], family, False)
            assert to_named("/", *sent) == own
            assert re.fullmatch(rf"{PROXY} \d+ http {OWN_HOST}|{re.escape(own)}", to_either("/", *sent)), fields
        evil = [("Forwarded", f"for={REAL};proto=https;host=evil.example"), *_added([], "X-Forwarded-For", False)]
        assert re.fullmatch(rf"{PROXY} \d+ http {OWN_HOST}", to_either("/", *evil))
        same = _added([], "Forwarded", False) + _added([], "X-Forwarded-For", False)
        assert to_either("/", *same) == own
    either.wait_for(r"Forwarded and X-Forwarded-\* disagree: say by --forwarded-header which of them the proxy sets")


# -- whom the option names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trusted", "source", "counts"),
    [
        ("127.0.0.0/30", "127.0.0.2", True),
        ("127.0.0.0/30", "127.0.0.4", False),
        ("192.0.2.0/24, 127.0.0.4", "127.0.0.4", True),
        ("*", "127.0.0.4", True),
        ("unix", "127.0.0.4", False),
        ("2001:db8::/32", "127.0.0.4", False),
    ],
)
def test_networks_and_anybody(serve: Serve, trusted: str, source: str, counts: bool) -> None:
    server = serve(APP, "--workers", "1", "--forwarded-allow-ips", trusted)
    with asking(server, source) as ask:
        assert ask("/", ("X-Forwarded-For", f"6.6.6.6, {REAL}")).startswith(f"{REAL if counts else source} ")


def test_anybody_is_no_proxy_in_a_field(serve: Serve) -> None:
    server = serve(APP, "--workers", "1", "--forwarded-allow-ips", "*, 10.0.0.0/8")
    with asking(server, STRANGER) as ask:
        assert ask("/", ("X-Forwarded-For", f"6.6.6.6, {REAL}, 10.0.0.1")).startswith(f"{REAL} ")
        assert ask("/", ("Forwarded", f"for=6.6.6.6, for={REAL}")).startswith(f"{REAL} ")


@pytest.mark.parametrize(("trusted", "client"), [("unix", REAL), ("*", REAL), ("0.0.0.0/0", "unix")])
def test_a_unix_listener(serve: Serve, tmp_path: Path, trusted: str, client: str) -> None:
    server = serve(APP, "--workers", "1", "--forwarded-allow-ips", trusted, bind=f"unix:{tmp_path}/socket")
    with asking(server) as ask:
        assert ask("/", ("X-Forwarded-For", REAL)).startswith(f"{client} 0 ")
        assert ask("/peer", ("X-Forwarded-For", REAL)).startswith("unix of ")
        expected = "unix 0 http" if client == "unix" else f"{REAL} 4711 https a.example:81"
        assert ask("/wsgi/", *RFC_FIELDS).startswith(expected)
        assert ask("/stdlib/", ("X-Forwarded-For", REAL)) == f"{client} 0"


def test_ipv6_peers(serve: Serve) -> None:
    server = serve(APP, "--workers", "1", "--forwarded-allow-ips", "::1, 2001:db8::/32", bind="[::1]:0")
    answer = server.get("/", headers={"X-Forwarded-For": f"6.6.6.6, 2001:DB8:6::6, {REAL}, 2001:db8:0::1"})
    assert answer.body.startswith(f"{REAL} 0 ".encode())
    answer = server.get("/", headers={"Forwarded": 'for="[2001:db9::6]:81", for="[2001:db8::1]"'})
    assert answer.body.startswith(b"2001:db9::6 81 ")
    server.wait_for(r"^2001:db9::6 - - .* 200 ", server.log)


def test_off_by_default(serve: Serve) -> None:
    server = serve(APP, "--workers", "1")
    assert server.get("/", headers=dict(X_FIELDS)).body.startswith(b"127.0.0.1 ")


def test_a_reload_changes_whom_is_trusted(serve: Serve, tmp_path: Path) -> None:
    settings = tmp_path / "webpy.toml"
    settings.write_text("workers = 1\n")
    server = serve(APP)
    assert server.get("/", headers=dict(X_FIELDS)).body.startswith(b"127.0.0.1 ")
    settings.write_text('workers = 1\nforwarded_allow_ips = ["127.0.0.1", "unix"]\n')
    server.send(signal.SIGHUP)
    server.wait_for(r"worker 0 gen 2 \[\d+\] is ready")
    server.wait_for(r"worker 0 gen 1 \[\d+\] exited with status 0")
    assert server.get("/", headers=dict(X_FIELDS)).body == f"{REAL} 0 https a.example:81".encode()
    settings.write_text('workers = 1\nforwarded_allow_ips = ["127.0.0.1", "127.0.0.300"]\n')
    server.send(signal.SIGHUP)
    server.wait_for(r"reload failed, generation 2 keeps serving: .*'127\.0\.0\.300' is none of these")


# -- logs, status, limits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("access_format", ["combined", "json"])
@pytest.mark.parametrize("path", ["/", "/waiting", "/streaming", "/wsgi/x", "/nothing", "/failing"])
def test_the_access_log_has_the_client(serve: Serve, path: str, access_format: str) -> None:
    server = serve(APP, "--workers", "1", "--forwarded-allow-ips", PROXY, "--access-format", access_format)
    pattern = rf"^{REAL} - - " if access_format == "combined" else rf'"{re.escape(REAL)}"'
    with asking(server) as ask:
        for _ in range(4):
            ask.answer(path, *X_FIELDS, body=b"x" if path == "/streaming" else None).read()
        server.wait_for(pattern + rf".*{path}", server.log, count=4)
        ask.answer("/").read()
    server.wait_for(PROXY, server.log)
    assert sum(REAL in line for line in server.log) == 4


def test_refused_requests_are_logged_with_the_client(serve: Serve) -> None:
    """A body that is too long, malformed or late; a head that is malformed names nobody."""
    server = serve(APP, "--workers", "1", "--forwarded-allow-ips", PROXY, "--max-body", "10", "--body-timeout", "1")
    chunked = f"POST / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {REAL}\r\nTransfer-Encoding: chunked\r\n\r\n"
    length = f"POST / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {REAL}\r\nContent-Length: "
    for sent, status, client in (
        (length + "11\r\n\r\n", 413, REAL),
        (chunked + "zz\r\n", 400, REAL),
        (length + "5\r\n\r\nab", 408, REAL),
        (f"GET / HTTP/1.1\r\nX-Forwarded-For: {REAL}\r\n\r\n", 400, PROXY),
    ):
        with socket.create_connection(server.address, 15, source_address=(PROXY, 0)) as sock:
            sock.sendall(sent.encode())
            assert sock.recv(65536).startswith(b"HTTP/1.1 %d " % status)
            server.wait_for(rf'^{client} - - .*" {status} ', server.log)


def test_a_request_that_dies_with_its_worker_is_logged_with_the_client(serve: Serve) -> None:
    server = serve(APP, "--workers", "1", "--forwarded-allow-ips", PROXY)
    with asking(server) as ask, pytest.raises((http.client.HTTPException, OSError)):
        ask("/killing", *X_FIELDS)
    server.wait_for(rf'^{REAL} - - .*"GET /killing HTTP/1.1" killed ', server.log)


def ctl(server: Server, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "webpy.cli", "ctl", "--control", str(server.cwd / "control"), *command],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2], timeout=30,
    )  # fmt: skip
    return done.stdout


def test_the_status_shows_the_client(serve: Serve, tmp_path: Path) -> None:
    """Of a request that waits for its client, and of one that a thread runs."""
    (tmp_path / "app.py").write_text(
        "import webpy as web\nclass Long(web.HTTPHandler):\n    def do_get(self):\n"
        "        open('running', 'w').close()\n        open('go').read()\n        return 200, ''\n"
        "    def do_post(self): return 200, ''\nroutes = {'/.*': Long}\n"
    )
    os.mkfifo(tmp_path / "go")
    server = serve("app.py", "--workers", "1", "--forwarded-allow-ips", PROXY, "--control", "control")
    with contextlib.ExitStack() as stack:
        long, body = (
            stack.enter_context(socket.create_connection(server.address, 15, source_address=(PROXY, 0)))
            for _ in range(2)
        )
        long.sendall(f"GET /long HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {REAL}\r\n\r\n".encode())
        until((tmp_path / "running").exists, "the handler runs")
        body.sendall(b"POST /body HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.9\r\nContent-Length: 5\r\n\r\na")
        shown: dict[str, str] = {}

        def both_are_shown() -> bool:
            (worker,) = json.loads(ctl(server, "status", "--json"))["workers"]
            shown.update({each["request"].split()[1]: each["peer"] for each in worker["running"]})
            return len(shown) == 2

        until(both_are_shown, "both requests are shown")
        assert shown == {"/long": REAL, "/body": "192.0.2.9"}
        (tmp_path / "go").write_text("")
        assert long.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_malformed_fields_are_counted_and_logged_once_a_minute(serve: Serve) -> None:
    server = serve(APP, "--workers", "1", "--forwarded-allow-ips", PROXY, "--control", "control")
    with asking(server) as ask:
        for _ in range(3):
            for value in ("nonsense", "a.example\x80"):
                assert ask("/", ("X-Forwarded-For", value)).startswith(f"{PROXY} ")
        assert ask("/", ("Forwarded", 'for="'), ("X-Forwarded-Proto", "https")).split()[2] == "http"
        assert ask("/", ("X-Forwarded-For", "a"), ("X-Forwarded-Proto", "https")).split()[2] == "https"
    with asking(server, STRANGER) as ask:
        ask("/", ("X-Forwarded-For", "nonsense"))
    assert json.loads(ctl(server, "status", "--json"))["totals"]["bad_forwarded"] == 8
    line = f"ignored what the proxy {PROXY} says of its client; X-Forwarded-For: got 'nonsense', wanted IP addresses"
    server.wait_for(re.escape(line))
    assert sum("ignored what the proxy" in each for each in server.errors) == 1


def test_proxies_are_no_client_for_the_limit_of_connections(serve: Serve) -> None:
    options = "--max-connections-per-client", "1", "--forwarded-allow-ips", PROXY
    server = serve(APP, "--workers", "1", *options)
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            ask = stack.enter_context(asking(server))
            assert ask("/", ("X-Forwarded-For", REAL)).startswith(REAL)
        first = stack.enter_context(asking(server, STRANGER))
        assert first("/").startswith(STRANGER)
        with asking(server, STRANGER) as second, pytest.raises((http.client.HTTPException, OSError)):
            second("/")


# -- what users write --------------------------------------------------------------------------------------------------


def test_mistakes_are_named(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("def app(environ, start_response): ...\n")

    def check(*options: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "webpy.cli", "check", str(tmp_path / "app.py"), *options],
            capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2], timeout=30,
        )  # fmt: skip
        return done.returncode, done.stderr

    status, text = check("--forwarded-allow-ips", "10.0.0.1,10.0.0.0/33,::1")
    assert status == 2
    assert (
        "--forwarded-allow-ips: got '10.0.0.1,10.0.0.0/33,::1', wanted addresses or networks such as 10.0.0.0/8, "
        "separated by commas, unix or *; '10.0.0.0/33' is none of these" in text
    )
    assert check("--forwarded-allow-ips", "proxy.example")[0] == 2
    status, text = check("--forwarded-header", "both")
    assert status == 2 and "one of auto, forwarded, x-forwarded" in text
    status, text = check("--forwarded-header", "forwarded")
    assert status == 0 and "--forwarded-header: has no effect without forwarded-allow-ips" in text
