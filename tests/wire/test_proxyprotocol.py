"""`--proxy-protocol on` on the wire: the client is the one that a PROXY header of a trusted peer names, for handlers,
hosts, logs and limits; who has to send a header and who must not; and that waiting for one holds up nobody."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.authority import write_certificate
from tests.server import Server

from .client import get, until

APP = Path(__file__).parent / "apps" / "forwarded.py"
ROOT = Path(__file__).parents[2]
REAL, REAL6 = "203.0.113.7", "2001:db8::7"
PROXY, STRANGER = "127.0.0.2", "127.0.0.3"  # addresses that the tests' own clients have
TRUSTED = f"{PROXY},10.0.0.0/8"
HOST = "site.example"

Serve = Callable[..., Server]


def line(client: str = REAL, port: int = 4711) -> bytes:
    family, destination = ("TCP6", "::1") if ":" in client else ("TCP4", "10.9.9.9")
    return f"PROXY {family} {client} {destination} {port} 443\r\n".encode()


def binary(client: str = REAL, port: int = 4711, tls: bool | None = None) -> bytes:
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    packed = socket.inet_pton(family, client)
    rest = packed * 2 + struct.pack("!HH", port, 443)
    if tls is not None:
        rest += b"\x04\x00\x03pad" + struct.pack("!BHBI", 0x20, 5, tls, 0)
    kind = 0x21 if ":" in client else 0x11
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack("!BBH", 0x21, kind, len(rest)) + rest


UNKNOWN = b"PROXY UNKNOWN\r\n"
LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"
UNSPECIFIED = b"\r\n\r\n\0\r\nQUIT\n\x21\x00\x00\x00"
UNIX = b"\r\n\r\n\0\r\nQUIT\n\x21\x31\x00\xd8" + bytes(216)
NAMELESS = {"unknown": UNKNOWN, "local": LOCAL, "unspecified": UNSPECIFIED}


def connect(server: Server, source: str = PROXY) -> socket.socket:
    if server.path:
        return server.connect(15)
    return socket.create_connection(server.address, 15, source_address=(source, 0))


class Asking:
    """Requests on one connection from `source`, which begins with `header`."""

    def __init__(
        self, server: Server, header: bytes = b"", source: str = PROXY, tls: ssl.SSLContext | None = None
    ) -> None:
        sock = connect(server, source)
        sock.sendall(header)
        self.port = 0 if server.path else sock.getsockname()[1]
        self._client = http.client.HTTPConnection("ignored")
        self._client.sock = sock if tls is None else tls.wrap_socket(sock, server_hostname="127.0.0.1")

    def answer(self, path: str, *fields: tuple[str, str], body: bytes | None = None) -> http.client.HTTPResponse:
        headers = {"Host": HOST, **dict(fields)}
        self._client.request("GET" if body is None else "POST", path, body, headers)
        return self._client.getresponse()

    def __call__(self, path: str, *fields: tuple[str, str], body: bytes | None = None) -> str:
        answer = self.answer(path, *fields, body=body)
        assert answer.status == 200, (answer.status, answer.read())
        return answer.read().decode()

    def close(self) -> None:
        self._client.close()


def asking(*arguments: Any, **more: Any) -> contextlib.closing[Asking]:
    return contextlib.closing(Asking(*arguments, **more))


def is_refused(server: Server, sent: bytes, source: str = PROXY) -> bool:
    """Whether the connection is closed, or reset, without a byte of an answer."""
    with connect(server, source) as sock:
        sock.sendall(sent)
        try:
            return sock.recv(65536) == b""
        except ConnectionResetError:
            return True


def status_of(server: Server) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "webpy.cli", "ctl", "--control", str(server.cwd / "control"), "status", "--json"],
        capture_output=True, text=True, check=True, cwd=ROOT, timeout=30,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def totals(server: Server) -> dict[str, int]:
    found: dict[str, int] = status_of(server)["totals"]
    return found


Behind = tuple[Server, ssl.SSLContext | None]


@pytest.fixture(scope="module", params=["one worker", "two workers", "TLS"])
def behind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    """A server that wants headers of PROXY and 10.0.0.0/8, and the client's TLS context."""
    cwd, context = tmp_path_factory.mktemp("proxyprotocol"), None
    options = ["--workers", "2" if request.param == "two workers" else "1"]
    options += ["--forwarded-allow-ips", TRUSTED, "--proxy-protocol", "on", "--control", "control"]
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
def own_scheme(behind: Behind) -> str:
    return "http" if behind[1] is None else "https"


# -- who the client is -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "{address} 4711 {scheme} site.example"),
        ("/waiting", "{address} 4711 {scheme} site.example"),
        ("/wsgi/x", "{address} 4711 {scheme} site.example site.example 443"),
        ("/stdlib/x", "{address} 4711"),
        ("/objects/", "{address} 4711 {scheme}://site.example"),
        ("/cgi/who", "{address} 4711 {scheme} site.example site.example 443 {https}"),
    ],
)
@pytest.mark.parametrize(
    ("header", "address", "told"),
    [(line(), REAL, None), (line(REAL6), REAL6, None), (binary(REAL6), REAL6, None), (binary(tls=True), REAL, "https")],
    ids=["v1", "v1 IPv6", "v2", "v2 with TLS"],
)
def test_every_host_sees_the_client(
    behind: Behind, own_scheme: str, header: bytes, address: str, told: str | None, path: str, expected: str
) -> None:
    scheme = told or own_scheme
    text = expected.format(address=address, scheme=scheme, https="on" if scheme == "https" else "off")
    with asking(behind[0], header, tls=behind[1]) as ask:
        for _ in range(3):  # heads that come again are not parsed again, and handlers that wait move to the pool
            assert ask(path) == text


@pytest.mark.parametrize("header", [line(), binary()], ids=["v1", "v2"])
def test_bodies_and_the_peer_s_own_address(behind: Behind, own_scheme: str, header: bytes) -> None:
    with asking(behind[0], header, tls=behind[1]) as ask:
        for path in ("/", "/streaming"):
            for size in (1, 100_000):
                assert ask(path, body=b"x" * size) == f"{REAL} 4711 {own_scheme} {HOST}"
        assert ask("/peer").startswith(f"{PROXY} of ")


def test_a_header_cut_anywhere_and_glued_to_what_follows(behind: Behind) -> None:
    server, tls = behind
    request = get("/", "Connection: close")
    for header in (line(), binary(tls=True)):
        for cut in range(1, len(header) + 1, 1 if tls is None else 13):
            with connect(server) as sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.sendall(header[:cut])
                if tls is None:
                    sock.sendall(header[cut:] + request)
                    answer = http.client.HTTPResponse(sock)
                    answer.begin()
                    assert answer.read().decode().startswith(f"{REAL} 4711 ")
                else:
                    sock.sendall(header[cut:])
                    with tls.wrap_socket(sock, server_hostname="127.0.0.1") as secure:
                        secure.sendall(request)
                        assert f"{REAL} 4711 https ".encode() in b"".join(iter(lambda: secure.recv(999), b""))


@pytest.mark.parametrize("kind", NAMELESS)
def test_where_no_client_is_named_it_is_the_peer(behind: Behind, own_scheme: str, kind: str) -> None:
    with asking(behind[0], NAMELESS[kind], tls=behind[1]) as ask:
        assert ask("/") == f"{PROXY} {ask.port} {own_scheme} {HOST}"
        assert ask("/peer").startswith(f"{PROXY} of ")


def test_a_client_at_a_unix_socket_of_the_proxy(behind: Behind, own_scheme: str) -> None:
    with asking(behind[0], UNIX, tls=behind[1]) as ask:
        assert ask("/") == f"unix 0 {own_scheme} {HOST}"


# -- who may say so ----------------------------------------------------------------------------------------------------

HEADERS = {"v1": line(), "v1 unknown": UNKNOWN, "v2": binary(), "v2 local": LOCAL, "malformed": b"PROXY TCP4 x\r\n"}


@pytest.mark.parametrize("kind", HEADERS)
def test_a_stranger_s_header_is_refused(behind: Behind, kind: str) -> None:
    assert is_refused(behind[0], HEADERS[kind] + get("/"), STRANGER)


def test_strangers_without_a_header_are_served(behind: Behind, own_scheme: str) -> None:
    server, tls = behind
    with asking(server, source=STRANGER, tls=tls) as ask:
        for fields in ((), (("X-Forwarded-For", REAL),)):
            assert ask("/", *fields) == f"{STRANGER} {ask.port} {own_scheme} {HOST}"
        assert ask("/", body=b"x").startswith(STRANGER)
    if tls is not None:
        return
    for request in (get("/", method="POST", body=b"x"), get("/", method="PROXY"), b"\r\n" + get("/")):
        for cut in range(1, 14):
            with connect(server, STRANGER) as sock:
                sock.sendall(request[:cut])
                sock.sendall(request[cut:])
                answer = http.client.HTTPResponse(sock)
                answer.begin()
                assert answer.status == (405 if request.startswith(b"PROXY") else 200)


@pytest.mark.parametrize(
    "sent",
    [
        get("/"),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PROXY TCP4 203.0.113.7 10.9.9.9 4711 443\n" + get("/"),
        b"PROXY TCP4 203.0.113.7 10.9.9.9 4711 66666\r\n" + get("/"),
        b"PROXY TCP5 203.0.113.7 10.9.9.9 4711 443\r\n" + get("/"),
        binary()[:12] + b"\x31" + binary()[13:],
        binary()[:14] + b"\xff\xff",
        b"PROXY UNKNOWN " + b"x" * 200,
    ],
    ids=["HTTP", "TLS", "LF", "port", "family", "version", "length", "endless"],
)
def test_a_proxy_without_a_valid_header_is_refused(behind: Behind, sent: bytes) -> None:
    assert is_refused(behind[0], sent)


def test_refusals_are_counted_and_logged_once_a_minute(serve: Serve) -> None:
    options = "--workers", "1", "--forwarded-allow-ips", PROXY, "--proxy-protocol", "on", "--control", "control"
    server = serve(APP, *options)
    for _ in range(2):
        assert is_refused(server, b"GET /secret HTTP/1.1\r\nHost: a\r\n\r\n")
        assert is_refused(server, line() + get("/"), STRANGER)
    with connect(server) as sock:
        sock.sendall(line()[:9])
    for source in (PROXY, STRANGER):
        connect(server, source).close()  # as a check does whether the port is open
    with asking(server, line()) as ask:
        assert ask("/").startswith(REAL)
    until(lambda: totals(server)["bad_proxy_headers"] == 5, "five refusals are counted")
    server.wait_for(rf"closed a connection of the proxy {PROXY}: got 'GET /secret HTTP/1.1.*', wanted a PROXY header")
    assert sum("closed a connection" in each for each in server.errors) == 1


# -- beside fields that say who the client is --------------------------------------------------------------------------


def test_fields_count_if_the_header_names_another_trusted_proxy(behind: Behind, own_scheme: str) -> None:
    """And not otherwise: nobody else's word counts, nor is what was found for one connection used for another."""
    server, tls = behind
    field = ("X-Forwarded-For", "6.6.6.6, 192.0.2.9")
    for _ in range(3):
        for header, expected in (
            (line("10.0.0.1"), "192.0.2.9 0"),
            (binary("10.0.0.1"), "192.0.2.9 0"),
            (line(REAL), f"{REAL} 4711"),
            (line(PROXY), "192.0.2.9 0"),
            (line(STRANGER), f"{STRANGER} 4711"),
            (UNKNOWN, PROXY),
            (LOCAL, PROXY),
            (UNIX, "unix 0"),
        ):
            with asking(server, header, tls=tls) as ask:
                for _ in range(2):
                    got = ask("/", field)
                    assert re.fullmatch(rf"{expected}( \d+)? {own_scheme} {HOST}", got), (header, got)
        with asking(server, source=STRANGER, tls=tls) as ask:
            assert ask("/", field).startswith(f"{STRANGER} {ask.port} ")


def test_anybody_may_be_a_proxy_but_a_client_that_it_names_is_none(serve: Serve) -> None:
    server = serve(APP, "--workers", "1", "--forwarded-allow-ips", "*", "--proxy-protocol", "on")
    assert is_refused(server, get("/"), STRANGER)
    for fields in ((), (("X-Forwarded-For", "6.6.6.6"),), (("Forwarded", "for=6.6.6.6;proto=https"),)):
        for header, client in ((line(), REAL), (line(STRANGER), STRANGER), (UNKNOWN, STRANGER), (LOCAL, STRANGER)):
            with asking(server, header, STRANGER) as ask:
                assert re.match(rf"{client} \d+ http ", ask("/", *fields))


def test_redirects_to_https_and_hsts_go_by_what_the_header_says(serve: Serve, tmp_path: Path) -> None:
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "cert.pem"))
    options = "--bind", "https://127.0.0.1:0", "--certfile", "cert.pem", "--https-redirect", "--hsts", "60"
    trusted = "--forwarded-allow-ips", PROXY, "--proxy-protocol", "on"
    server = serve(APP, "--workers", "1", *options, *trusted, bind="http://127.0.0.1:0")
    for header in (line(), binary(), binary(tls=False), UNKNOWN):
        with asking(server, header) as ask:
            answer = ask.answer("/a?b")
            assert (answer.status, answer.headers["Location"]) == (308, f"https://{HOST}/a?b")  # at the proxy's port
    with asking(server, binary(tls=True)) as ask:
        answer = ask.answer("/")
        assert (answer.status, answer.headers["Strict-Transport-Security"]) == (200, "max-age=60")
        answer.read()
        assert "; Secure" in ask.answer("/session").headers["Set-Cookie"]
    with asking(server, source=STRANGER) as ask:
        assert re.fullmatch(rf"https://{HOST}:\d+/", ask.answer("/").headers["Location"])


# -- limits ------------------------------------------------------------------------------------------------------------


def test_connections_are_counted_by_the_client_that_is_named(serve: Serve) -> None:
    options = "--max-connections-per-client", "2", "--forwarded-allow-ips", TRUSTED, "--proxy-protocol", "on"
    server = serve(APP, "--workers", "1", *options, "--control", "control")
    with contextlib.ExitStack() as stack:

        def keep(header: bytes, source: str = PROXY) -> Asking:
            ask = stack.enter_context(asking(server, header, source))
            ask("/")
            return ask

        first = keep(line())
        keep(binary())
        assert is_refused(server, line() + get("/"))
        server.wait_for(rf"{REAL} has 2 connections \(max-connections-per-client\)")
        for _ in range(4):
            keep(UNKNOWN)
            keep(line("10.0.0.1"))  # a proxy carries many clients
        keep(line(STRANGER))
        keep(line(STRANGER))
        assert is_refused(server, get("/"), STRANGER)  # the same client, whatever way it comes
        first.close()
        until(lambda: not is_refused(server, line() + get("/", "Connection: close")), "one may come for one that left")
        assert totals(server)["refused"] >= 1


def test_the_rate_of_requests_is_that_of_the_client_that_is_named(serve: Serve) -> None:
    trusted = "--forwarded-allow-ips", "*", "--proxy-protocol", "on"
    server = serve(APP, "--workers", "1", "--max-request-rate", "2", *trusted)
    with asking(server, line()) as one, asking(server, binary(REAL6)) as other, asking(server, UNKNOWN) as nobody:

        def status(ask: Asking) -> int:
            answer = ask.answer("/peer")
            answer.read()
            return answer.status

        until(lambda: status(one) == 429, "the client is over its rate")
        assert status(other) == 200
        assert {status(nobody) for _ in range(9)} == {200}


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_two_thousand_that_never_end_their_header_hold_up_nobody(serve: Serve) -> None:
    """Of proxies and of strangers; they make way when there are too many, and end with the header's time."""
    options = "--forwarded-allow-ips", PROXY, "--proxy-protocol", "on", "--max-connections", "1500"
    server = serve(APP, "--workers", "1", *options, "--header-timeout", "2", "--control", "control")
    with contextlib.ExitStack() as stack:
        stuck = []
        for number in range(2000):
            sock = stack.enter_context(connect(server, PROXY if number % 2 else STRANGER))
            sock.sendall((line() if number % 4 < 2 else binary())[: 1 + number % 11])
            stuck.append(sock)
            if number % 100 == 99:
                with asking(server, line()) as ask:
                    assert ask("/").startswith(f"{REAL} 4711 ")
                with asking(server, source=STRANGER) as ask:
                    assert ask("/").startswith(STRANGER)
        for sock in stuck:
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(1) == b""
    found = totals(server)
    assert found["closed_for_new"] > 0 and found["timeouts"] > 0 and found["bad_proxy_headers"] <= 2000


@pytest.mark.slow
def test_the_header_has_the_header_s_time(serve: Serve) -> None:
    options = "--forwarded-allow-ips", PROXY, "--proxy-protocol", "on", "--header-timeout", "1"
    server = serve(APP, "--workers", "1", *options, "--control", "control")
    with connect(server) as silent, connect(server) as slow, connect(server, STRANGER) as stranger:
        slow.sendall(line()[:10])
        assert silent.recv(1) == slow.recv(1) == b""
        stranger.sendall(get("/"))  # it may be idle for as long as any connection before its first request
        assert stranger.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert totals(server)["timeouts"] == 2


# -- logs and status ---------------------------------------------------------------------------------------------------


def test_logs_and_status_have_the_client(serve: Serve) -> None:
    options = "--forwarded-allow-ips", PROXY, "--proxy-protocol", "on", "--control", "control"
    server = serve(APP, "--workers", "1", *options)
    with asking(server, line()) as ask:
        for path in ("/", "/waiting", "/wsgi/x", "/nothing", "/failing"):
            ask.answer(path).read()
    server.wait_for(rf"^{REAL} - - ", server.log, count=5)
    with connect(server) as sock:
        sock.sendall(binary() + b"GET nothing HTTP/1.1\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 400 ")
    server.wait_for(rf'^{REAL} - - .*" 400 ', server.log)
    with connect(server) as sock:
        sock.sendall(line(REAL6) + b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\na")

        def shown() -> bool:
            (worker,) = status_of(server)["workers"]
            return [each["peer"] for each in worker["running"]] == [REAL6]

        until(shown, "the request is shown")
    with asking(server, line()) as ask, pytest.raises((http.client.HTTPException, OSError)):
        ask("/killing")
    server.wait_for(rf'^{REAL} - - .*"GET /killing HTTP/1.1" killed ', server.log)
    assert not any(each.startswith(PROXY) for each in server.log)


# -- the end of a worker -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("what", ["reload", "upgrade"])
def test_a_header_that_is_under_way_outlives_its_worker(serve: Serve, what: str, workers: str) -> None:
    """And connections whose header has been read go on in another worker with their client."""
    options = "--forwarded-allow-ips", TRUSTED, "--proxy-protocol", "on"
    server = serve(APP, "--workers", workers, *options)
    with contextlib.ExitStack() as stack:
        named = [stack.enter_context(asking(server, header)) for header in (line(), binary(tls=True), UNKNOWN)]
        named.append(stack.enter_context(asking(server, line("10.0.0.1"))))
        named.append(stack.enter_context(asking(server, b"", STRANGER)))
        told = [ask("/") for ask in named]
        peers = [ask("/peer").split(" of ") for ask in named]
        begun = [stack.enter_context(connect(server)) for _ in range(6)]
        for number, sock in enumerate(begun):
            sock.sendall(line()[: 8 * number])
        idle = stack.enter_context(connect(server, STRANGER))
        server.send(signal.SIGUSR2 if what == "upgrade" else signal.SIGHUP)
        if what == "upgrade":
            server.wait_for("upgrade done")
            server.send(signal.SIGHUP)
        server.wait_for(r"worker \d gen 2 \[\d+\] is ready", count=int(workers))
        for ask, before, (peer, _) in zip(named, told, peers, strict=True):
            assert ask("/") == before
            assert ask("/peer").split(" of ")[0] == peer
            assert ask("/", ("X-Forwarded-For", "192.0.2.9")).startswith(
                "192.0.2.9 0 " if before.startswith("10.0.0.1") else before
            )
        for number, sock in enumerate(begun):
            sock.sendall(line()[8 * number :] + get("/"))
            assert f"{REAL} 4711 http ".encode() in sock.recv(65536)
        idle.sendall(get("/"))
        assert STRANGER.encode() in idle.recv(65536)
        server.wait_for(r"worker \d gen 1 \[\d+\] exited with status 0", count=int(workers), timeout=30)
        assert {pid for _, pid in peers}.isdisjoint(ask("/peer").split(" of ")[1] for ask in named)


@pytest.mark.slow
def test_a_stop_waits_for_no_header(serve: Serve) -> None:
    """A client that is silent does not keep it, one that is about to send has a moment."""
    options = "--forwarded-allow-ips", PROXY, "--proxy-protocol", "on", "--header-timeout", "60"
    server = serve(APP, "--workers", "1", *options)
    with connect(server) as silent, connect(server) as late, connect(server, STRANGER):
        silent.sendall(line()[:5])
        late.sendall(line()[:5])
        with asking(server, line()) as ask:
            ask("/")  # so that the others have been accepted
        server.send(signal.SIGTERM)
        late.sendall(line()[5:] + get("/"))
        assert f"{REAL} 4711 http ".encode() in late.recv(65536)
        assert server.wait(15) == 0


@pytest.mark.slow
def test_a_reload_turns_it_on_and_off(serve: Serve, tmp_path: Path) -> None:
    """Connections that are there go on as they were accepted."""
    settings = tmp_path / "webpy.toml"
    off = f'workers = 1\nforwarded_allow_ips = "{PROXY}"\n'
    settings.write_text(off)
    server = serve(APP)
    with asking(server) as before:
        assert before("/").startswith(PROXY)
        settings.write_text(f"{off}proxy_protocol = true\n")
        server.send(signal.SIGHUP)
        server.wait_for(r"worker 0 gen 1 \[\d+\] exited with status 0")
        assert before("/").startswith(PROXY)
        assert is_refused(server, get("/"))
        with asking(server, line()) as named:
            assert named("/").startswith(REAL)
            settings.write_text(off)
            server.send(signal.SIGHUP)
            server.wait_for(r"worker 0 gen 2 \[\d+\] exited with status 0")
            assert named("/").startswith(REAL)
            assert named("/", ("X-Forwarded-For", "6.6.6.6")).startswith(REAL)
        with connect(server) as sock:
            sock.sendall(line() + get("/"))
            assert sock.recv(65536).startswith(b"HTTP/1.1 400 ")


# -- unix sockets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trusted", ["unix", "*"])
def test_a_unix_listener(serve: Serve, tmp_path: Path, trusted: str) -> None:
    options = "--forwarded-allow-ips", trusted, "--proxy-protocol", "on"
    server = serve(APP, "--workers", "1", *options, bind=f"unix:{tmp_path}/socket")
    for header, client in ((line(), f"{REAL} 4711"), (binary(tls=True), f"{REAL} 4711"), (LOCAL, "unix 0")):
        with asking(server, header) as ask:
            assert ask("/") == f"{client} {'https' if header == binary(tls=True) else 'http'} {HOST}"
            assert ask("/peer").startswith("unix of ")
    assert is_refused(server, get("/"))


def test_a_unix_listener_that_is_not_trusted(serve: Serve, tmp_path: Path) -> None:
    options = "--forwarded-allow-ips", PROXY, "--proxy-protocol", "on"
    server = serve(APP, "--workers", "1", *options, bind=f"unix:{tmp_path}/socket")
    with asking(server) as ask:
        assert ask("/").startswith("unix 0 http ")
    assert is_refused(server, line() + get("/"))


# -- what users write --------------------------------------------------------------------------------------------------


def test_mistakes_are_named(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("def app(environ, start_response): ...\n")

    def check(*options: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "webpy.cli", "check", str(tmp_path / "app.py"), *options],
            capture_output=True, text=True, check=False, cwd=ROOT, timeout=30,
        )  # fmt: skip
        return done.returncode, done.stderr

    status, text = check("--proxy-protocol", "v2", "--forwarded-allow-ips", "10.0.0.1")
    assert status == 2 and "--proxy-protocol: got 'v2', wanted on or off" in text
    status, text = check("--proxy-protocol", "on")
    assert status == 2
    assert "--proxy-protocol: given without forwarded-allow-ips, which names the proxies; wanted both" in text
    assert check("--proxy-protocol", "off")[0] == 0
