"""`--https-redirect` and `--hsts`: what plain and secure listeners of one server answer, whichever host is behind."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server import Server

from .bothschemes import BINDS, Both, Place, Trust, begin
from .client import Client, get

APP = Path(__file__).parent / "apps" / "https.py"
PROXY, STRANGER = "127.0.0.2", "127.0.0.3"  # addresses that the tests' own clients have
HSTS = "Strict-Transport-Security"
HOSTS = ["/", "/waiting", "/pieces", "/wsgi/x", "/stdlib/x", "/objects/", "/cgi/x", "/nothing/here"]
OPTIONS = (
    *("--https-redirect", "--https-redirect-except", "/health|/wsgi/open.*", "--hsts", "60"),
    *("--forwarded-allow-ips", PROXY, "--max-body", "200K", "--admin", "127.0.0.1:0"),
)


@pytest.fixture(scope="module", params=["1", "2"], ids=["one worker", "two workers"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    cwd = tmp_path_factory.mktemp("redirect")
    trust = Trust(cwd)
    server = Server(APP, *BINDS, *trust.options, *OPTIONS, "--workers", request.param, bind=None, cwd=cwd)
    try:
        yield begin(server, trust)
    finally:
        server.kill()


@pytest.fixture
def plain(both: Both) -> Iterator[Client]:
    with both.http.client() as client:
        yield client


@pytest.fixture
def secure(both: Both) -> Iterator[Client]:
    with both.https.client() as client:
        yield client


# -- the redirect ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", HOSTS)
def test_requests_of_http_are_redirected(both: Both, plain: Client, path: str) -> None:
    for method in ("GET", "HEAD", "POST", "OPTIONS", "BREW"):
        for _ in range(3):  # the same head again and again, on one connection
            reply = plain.ask(f"{path}?q=a%20b&c", method=method)
            assert reply.status == 308
            assert reply.get("Location") == f"https://a:{both.https.port}{path}?q=a%20b&c"
            assert reply.get("Connection") is None and reply.get(HSTS) is None
            assert reply.body == (b"" if method == "HEAD" else f"{reply.get('Location')}\n".encode())


@pytest.mark.parametrize("path", HOSTS)
def test_those_of_https_are_not(secure: Client, path: str) -> None:
    for _ in range(6):
        assert secure.ask(path).status == (404 if path == "/nothing/here" else 200)


def test_the_same_head_comes_by_both(both: Both, plain: Client, secure: Client) -> None:
    """Plans are kept by the bytes of heads."""
    for _ in range(8):
        assert (plain.ask("/").status, secure.ask("/").text) == (308, "https")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("example.org", "example.org"),
        ("example.org:8080", "example.org"),
        ("example.org:", "example.org"),
        ("[::1]", "[::1]"),
        ("[::1]:80", "[::1]"),
    ],
)
def test_the_host_is_that_of_the_request(both: Both, plain: Client, host: str, expected: str) -> None:
    for _ in range(3):
        plain.send(f"GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert plain.read().get("Location") == f"https://{expected}:{both.https.port}/x"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("GET //evil.example/ HTTP/1.1", "/evil.example/"),
        ("GET /a/../b%7e/%2f HTTP/1.1", "/b~/%2F"),
        ("GET /?//x HTTP/1.1", "/?//x"),
        ("OPTIONS * HTTP/1.1", "/"),
    ],
)
def test_the_path_is_in_normal_form(both: Both, plain: Client, line: str, expected: str) -> None:
    plain.send(f"{line}\r\nHost: a\r\n\r\n".encode())
    assert plain.read().get("Location") == f"https://a:{both.https.port}{expected}"


def test_a_target_with_a_host(both: Both, plain: Client) -> None:
    plain.send(b"GET http://b.example:80/x HTTP/1.1\r\nHost: a\r\n\r\n")
    assert plain.read().get("Location") == f"https://b.example:{both.https.port}/x"


def test_http_1_0(both: Both) -> None:
    with both.http.client() as client:
        client.send(b"GET /x HTTP/1.0\r\nHost: a\r\n\r\n")
        reply = client.read()
        assert (reply.status, reply.get("Location")) == (308, f"https://a:{both.https.port}/x")
        assert client.rest() == b""
    with both.http.client() as client:
        client.send(b"GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        reply = client.read()
        assert (reply.status, reply.get("Connection"), reply.get("Location")) == (400, "keep-alive", None)


@pytest.mark.parametrize("path", ["/", "/streaming", "/wsgi/x"])
def test_a_body_is_taken_in(plain: Client, path: str) -> None:
    for size in (1, 100_000):
        for _ in range(3):
            assert plain.ask(path, method="POST", body=b"x" * size).status == 308
    plain.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    assert plain.read().status == 308
    assert plain.ask("/health").text == "http"  # on the same connection


@pytest.mark.parametrize("path", ["/", "/streaming", "/wsgi/x"])
def test_a_body_is_not_asked_for(both: Both, path: str) -> None:
    with both.http.client() as client:
        client.send(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n".encode())
        reply = client.read()
        assert (reply.status, reply.get("Location")) == (308, f"https://a:{both.https.port}{path}")
        assert reply.get("Connection") == "close"
    with both.http.client() as client:
        client.send(b"POST / HTTP/1.1\r\nHost:\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert client.read().status == 400


def test_a_body_that_is_too_long(plain: Client) -> None:
    plain.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n")
    assert plain.read().status == 413


def test_what_is_no_request_is_not_redirected(plain: Client) -> None:
    plain.send(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n")
    reply = plain.read()
    assert (reply.status, reply.get(HSTS)) == (400, None)


@pytest.mark.parametrize(
    ("path", "status"),
    [("/health", 200), ("/health?x=1", 200), ("/./health", 200), ("/wsgi/open/x", 200), ("/healthy", 308)],
)
def test_paths_that_are_excepted(plain: Client, path: str, status: int) -> None:
    for _ in range(3):
        reply = plain.ask(path)
        assert (reply.status, reply.get(HSTS)) == (status, None)


def test_one_after_the_other_in_one_packet(plain: Client) -> None:
    plain.send(get("/") + get("/health") + get("/waiting", method="POST", body=b"abc") + get("/health"))
    assert [plain.read().status for _ in range(4)] == [308, 200, 308, 200]


def test_it_is_logged_as_any_request(both: Both, plain: Client) -> None:
    assert plain.ask("/wsgi/logged").status == 308
    both.server.wait_for('"GET /wsgi/logged HTTP/1.1" 308 ', both.server.log)


def test_the_admin_address_is_as_ever(both: Both) -> None:
    port = int(both.server.wait_for("admin on http://").rpartition(":")[2])
    with Place(("127.0.0.1", port)).client() as client:
        client.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        reply = client.read()
        assert (reply.status, reply.get(HSTS)) == (200, None)


# -- behind a proxy ----------------------------------------------------------------------------------------------------


def ask_from(source: str, place: Place, path: str, *fields: tuple[str, str]) -> http.client.HTTPResponse:
    client = http.client.HTTPConnection(*place.address, timeout=15, source_address=(source, 0))
    with contextlib.closing(client):
        client.putrequest("GET", path, skip_host=True)
        for name, value in (("Host", "own.example:80"), *fields):
            client.putheader(name, value)
        client.endheaders()
        answer = client.getresponse()
        answer.read()
        return answer


SAID = ("X-Forwarded-Proto", "https")


@pytest.mark.parametrize(
    ("source", "fields", "location"),
    [
        (PROXY, [SAID], None),
        (PROXY, [("Forwarded", "for=192.0.2.1;proto=https")], None),
        (PROXY, [("X-Forwarded-Proto", "http")], "https://own.example/"),
        (
            PROXY,
            [("X-Forwarded-Host", "public.example:81"), ("X-Forwarded-For", "192.0.2.1")],
            "https://public.example/",
        ),
        (PROXY, [], "https://own.example:{port}/"),
        (STRANGER, [SAID], "https://own.example:{port}/"),
        (STRANGER, [("X-Forwarded-Host", "evil.example")], "https://own.example:{port}/"),
    ],
)
def test_what_a_proxy_says(both: Both, source: str, fields: list[tuple[str, str]], location: str | None) -> None:
    for _ in range(4):
        answer = ask_from(source, both.http, "/", *fields)
        assert answer.status == (200 if location is None else 308)
        assert answer.headers["Location"] == (location and location.format(port=both.https.port))
        assert answer.headers[HSTS] == ("max-age=60" if location is None else None)


# -- HSTS --------------------------------------------------------------------------------------------------------------

ANSWERS = [*((path, 404 if path == "/nothing/here" else 200) for path in HOSTS), ("/failing", 500)]


@pytest.mark.parametrize(("path", "status"), ANSWERS)
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_answers_of_https_have_it(both: Both, path: str, status: int, version: str, method: str) -> None:
    with both.https.client() as client:
        for _ in range(3 if version == "HTTP/1.1" else 1):
            reply = client.ask(path, method=method, version=version)
            assert (reply.status, reply.get(HSTS)) == (status, "max-age=60")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (get("/", method="OPTIONS"), 204),
        (get("/", method="DELETE"), 405),
        (get("/", "Expect: x"), 417),
        (get("/", "X: \0"), 400),
        (get("/", "Content-Length: 300000", method="POST"), 413),
        (get("/streaming", method="POST", body=b"x" * 100), 200),
        (get("/", "Connection: close"), 200),
    ],
)
def test_so_have_others(secure: Client, request_: bytes, status: int) -> None:
    secure.send(request_)
    reply = secure.read()
    assert (reply.status, reply.get(HSTS)) == (status, "max-age=60")


@pytest.mark.parametrize(
    "path", ["/own", "/waiting/own", "/refusing", "/wsgi/own", "/stdlib/own", "/objects/own", "/cgi/own"]
)
def test_a_handlers_own_field_wins(secure: Client, path: str) -> None:
    for _ in range(6):
        assert secure.ask(path).get(HSTS) == "max-age=1"


# -- without it --------------------------------------------------------------------------------------------------------


def test_off_there_is_neither(serve: Callable[..., Server], tmp_path: Path) -> None:
    trust = Trust(tmp_path)
    met = begin(serve(APP, *BINDS, *trust.options, "--workers", "1", bind=None), trust)
    for place, scheme in ((met.http, "http"), (met.https, "https")):
        reply = place.ask("/")
        assert (reply.status, reply.text, reply.get(HSTS)) == (200, scheme, None)


def test_without_a_listener_of_https_a_proxy_speaks_it(serve: Callable[..., Server]) -> None:
    server = serve(APP, "--https-redirect", "--forwarded-allow-ips", PROXY, "--workers", "1")
    place = Place(server.address)
    assert place.ask("/").get("Location") == "https://a/"
    assert ask_from(PROXY, place, "/", SAID).status == 200
