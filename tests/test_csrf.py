"""webpy.csrf: where requests may come from, tokens of very old browsers, options, hosts, and a real browser."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.admin.browser import Browser
from tests.heads import request_of
from tests.server import ROOT, Answer, Server
from webpy import HTTPError, HTTPHandler, testing
from webpy.auth import BasicAuthMixIn
from webpy.caching import CachingMixIn
from webpy.cors import CORSMixIn
from webpy.csrf import CSRFMixIn
from webpy.decompression import DecompressionMixIn
from webpy.form import FormHandler, FormMixIn
from webpy.json import JSONHandler
from webpy.session import SessionMixIn
from webpy.store import MemoryStore

Serve = Callable[..., Server]
KEY = b"k" * 32
FORM = "Content-Type: application/x-www-form-urlencoded"


class Guarded(CSRFMixIn):
    csrf_key = KEY

    def do_get(self) -> Any:
        return 200, self.csrf_token

    def do_post(self) -> Any:
        return 200, "done"

    do_put = do_delete = do_post


class Page(Guarded, FormHandler):
    def do_post(self) -> Any:
        return 200, self.request.body.get("a", "no a")


def made(cls: type[HTTPHandler], method: str, *fields: str, body: bytes = b"") -> Any:
    return cls(request_of(method, "/", *fields, body=body), ())  # type: ignore[arg-type]


def status(cls: type[HTTPHandler], method: str, *fields: str, body: bytes = b"") -> int:
    """Return the status, which is the same for a client that waits with its body, unless the body decides."""
    try:
        found: int = made(cls, method, *fields, body=body).respond()[0]
    except HTTPError as error:
        found = error.status
    if not body:
        try:
            assert made(cls, method, *fields).check_continue() is True and found != 403
        except HTTPError as error:
            assert error.status == found == 403
    return found


def asked(cls: type[HTTPHandler], *fields: str) -> tuple[str, str]:
    """Return a token, and the Cookie field of the client that has it."""
    handler = made(cls, "GET", *fields)
    token = handler.respond()[1]
    cookies = handler.response.headers.getlist("Set-Cookie")
    return token, f"Cookie: {cookies[0].partition(';')[0]}" if cookies else "Cookie: a=b"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_safe_methods_are_never_checked(method: str) -> None:
    assert status(Guarded, method, "Sec-Fetch-Site: cross-site", "Origin: https://evil.example", "Cookie: a=b") < 300


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "post", "BREW"])
@pytest.mark.parametrize(
    ("fields", "let_through"),
    [
        (("Sec-Fetch-Site: same-origin",), True),
        (("Sec-Fetch-Site: none",), True),
        (("Sec-Fetch-Site: same-origin", "Origin: null"), True),  # of a page with Referrer-Policy: no-referrer
        (("Sec-Fetch-Site: cross-site",), False),
        (("Sec-Fetch-Site: same-site",), False),
        (("Sec-Fetch-Site: Same-Origin",), False),
        (("Sec-Fetch-Site: cross-site", "Origin: http://a"), False),
        (("Sec-Fetch-Site: cross-site", "Authorization: Bearer x"), False),
        (("Origin: http://a",), True),
        (("Origin: http://A:80",), True),
        (("Origin: https://a",), True),  # a proxy may have ended TLS
        (("Origin: http://a:8080",), False),
        (("Origin: http://a.b",), False),
        (("Origin: http://b",), False),
        (("Origin: null",), False),
        (("Origin: a",), False),
        (("Origin: ftp://a",), False),
        (("Origin: http://a@b",), False),
        ((), True),
        (("Sec-Fetch-Site: ", "Origin: "), True),
        (("Authorization: Bearer x",), True),
        (("Authorization: Basic eDp5",), False),
        (("authorization: negotiate x",), False),
        (("Cookie: a=b",), False),
        (("Cookie: a=b", "Authorization: Bearer x"), False),
    ],
)
def test_where_a_request_may_come_from(method: str, fields: tuple[str, ...], *, let_through: bool) -> None:
    found = status(Guarded, method, *fields) if method in ("POST", "PUT", "DELETE") else None
    if found is None:  # no method of the handler's: what is refused is refused first
        with pytest.raises(HTTPError) as caught:
            made(Guarded, method, *fields).respond()
        found = 200 if caught.value.status == 405 else caught.value.status
    assert found == (200 if let_through else 403)


def test_a_client_s_certificate_is_a_login() -> None:
    handler = made(Guarded, "POST")
    handler.request._peer.tls_client = object()
    with pytest.raises(HTTPError, match="403"):
        handler.respond()

    class Proxy(type(handler.request._peer)):  # type: ignore[misc]
        tls_client = object()
        peer_address = ("192.0.2.99", 1)

    handler = made(Guarded, "POST")
    handler.request._peer = Proxy()  # who shows one to us, and not the client
    assert handler.respond()[0] == 200


@pytest.mark.parametrize(
    ("scheme", "host", "origin", "let_through"),
    [
        ("https", "a", "https://a", True),
        ("https", "a:443", "https://a", True),
        ("https", "a", "https://a:443", True),
        ("https", "a", "http://a", False),  # somebody in between, before TLS
        ("https", "a:8443", "https://a:8443", True),
        ("https", "a:8443", "https://a", False),
        ("http", "[::1]:8000", "http://[::1]:8000", True),
        ("http", "", "http://", False),
    ],
)
def test_the_host_and_scheme_that_a_trusted_proxy_tells(scheme: str, host: str, origin: str, let_through: bool) -> None:
    class Proxied(HTTPHandler):
        def do_post(self) -> Any:
            return 200, ""

    proxied = {"X-Forwarded-Proto": scheme, "X-Forwarded-Host": host} if host else {}
    target = {"/": type("Own", (CSRFMixIn, Proxied), {})}
    with testing.Client(target, forwarded_allow_ips="127.0.0.1", client_address=("127.0.0.1", 1)) as client:
        got = client.post("/", headers={"Origin": origin, **proxied})
    assert got.status == (200 if let_through else 403)


def test_origins_that_are_allowed() -> None:
    class Shared(Guarded):
        csrf_origins = ("https://app.example.org",)

    class Own(Guarded):
        def csrf_allows(self, origin: str) -> bool:
            return origin.endswith(".example.org")

    for cls in (Shared, Own):
        for more in ((), ("Sec-Fetch-Site: cross-site",)):
            assert status(cls, "POST", "Origin: https://app.example.org", *more) == 200
            assert status(cls, "POST", "Origin: https://app.example.com", *more) == 403

    class Open(Guarded):
        csrf_checked = False

    assert status(Open, "POST", "Sec-Fetch-Site: cross-site", "Cookie: a=b") == 200


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (("Sec-Fetch-Site: cross-site",), "403 - this request was sent by a page of another site"),
        (("Origin: http://b",), "403 - the Origin of this request is not the site that it was sent to"),
        (("Cookie: a=b",), "the page's token in the form's field 'csrf_token' or in the header X-CSRF-Token"),
    ],
)
def test_what_is_refused_is_told_why(fields: tuple[str, ...], told: str) -> None:
    with pytest.raises(HTTPError) as caught:
        made(Guarded, "POST", *fields).respond()
    assert caught.value.status == 403 and told in str(caught.value.message)


class TestToken:
    def test_in_a_header(self) -> None:
        token, cookie = asked(Guarded)
        assert status(Guarded, "POST", cookie, f"X-CSRF-Token: {token}") == 200
        assert status(Guarded, "POST", "Origin: null", cookie, f"X-CSRF-Token: {token}") == 200
        for other in ("Sec-Fetch-Site: cross-site", "Origin: http://evil.example"):  # the browser says better
            assert status(Guarded, "POST", other, cookie, f"X-CSRF-Token: {token}") == 403

    @pytest.mark.parametrize("more", [{}, {"stream": True}])
    def test_in_a_form(self, more: dict[str, Any]) -> None:
        cls: Any = type("Own", (Page,), more)
        token, cookie = asked(cls)
        handler = made(cls, "POST", FORM, cookie, body=f"a=1&csrf_token={token}".encode())
        assert handler.respond() == (200, "1") and handler.check_continue() is True
        for body in (b"a=1", f"csrf_token={token[:-1]}".encode(), b"csrf_token=", b"csrf_token=%00"):
            assert status(cls, "POST", FORM, cookie, body=body) == 403
        with pytest.raises(HTTPError, match="403"):
            made(cls, "POST", FORM, cookie).respond()
        assert status(cls, "POST", FORM, cookie, "X-CSRF-Token: x", body=f"csrf_token={token}".encode()) == 403

    def test_a_form_that_no_token_is_needed_for_is_read_once(self) -> None:
        assert made(Page, "POST", FORM, "Origin: http://a", body=b"a=1").respond() == (200, "1")

    def test_one_file_of_the_token_s_name_is_no_token(self) -> None:
        pytest.importorskip("multipart", reason="pip install 'webpy[form]'")
        token, cookie = asked(Page)
        for name, found in (('csrf_token"; filename="x', 403), ("csrf_token", 200)):
            body = f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{token}\r\n--x--\r\n'.encode()
            assert status(Page, "POST", "Content-Type: multipart/form-data; boundary=x", cookie, body=body) == found

    def test_it_differs_each_time_and_stays_valid(self) -> None:
        token, cookie = asked(Guarded)
        handler = made(Guarded, "GET", cookie)
        others = {handler.respond()[1], handler.csrf_token, handler.csrf_token}
        assert len(others | {token}) == 4 and not handler.response.headers.getlist("Set-Cookie")
        for each in others:
            assert status(Guarded, "POST", cookie, f"X-CSRF-Token: {each}") == 200

    def test_it_is_of_one_client(self) -> None:
        (token, cookie), (other, _) = asked(Guarded), asked(Guarded)
        assert status(Guarded, "POST", cookie, f"X-CSRF-Token: {other}") == 403
        value = cookie.partition("=")[2]
        for cookies in ("Cookie: a=b", "Cookie: csrf=", f"Cookie: csrf={value[:-1]}", f"Cookie: __Host-csrf={value}"):
            assert status(Guarded, "POST", cookies, f"X-CSRF-Token: {token}") == 403

        class Another(Guarded):
            csrf_key = b"o" * 32

        assert status(Another, "POST", cookie, f"X-CSRF-Token: {token}") == 403

    @pytest.mark.parametrize("token", ["", "x", "A" * 43, "A" * 42 + "=", "\xe4" * 43, "A" * 1000])
    def test_what_is_none(self, token: str) -> None:
        assert status(Guarded, "POST", asked(Guarded)[1], f"X-CSRF-Token: {token}") == 403

    def test_other_names(self) -> None:
        class Named(Page):
            csrf_field, csrf_header, csrf_cookie = "t", "X-T", "c"

        token, cookie = asked(Named)
        assert cookie.startswith("Cookie: c=")
        assert status(Named, "POST", cookie, f"X-T: {token}", FORM, body=b"a=1") == 200
        assert status(Named, "POST", cookie, FORM, body=f"t={token}".encode()) == 200
        assert status(Named, "POST", cookie, f"X-CSRF-Token: {token}", FORM, body=b"a=1") == 403

    def test_the_page_is_for_one_client_only(self) -> None:
        class Cached(Guarded, CachingMixIn):
            cache_control = "public, max-age=60"

        handler = made(Cached, "GET")
        handler.respond()
        headers = handler.response.headers
        assert headers.getlist("Cache-Control") == ["private, max-age=60"] and headers["Vary"] == "Cookie"
        assert re.fullmatch(r"csrf=[\w-]{22}; Path=/; HttpOnly; SameSite=Lax", headers["Set-Cookie"])

        class Silent(Cached):
            def do_get(self) -> Any:
                return 200, ""

        handler = made(Silent, "GET")
        handler.respond()
        assert handler.response.headers["Cache-Control"] == "public, max-age=60"
        with pytest.raises(RuntimeError, match="csrf_token was first read when the answer had begun"):
            _ = handler.csrf_token

    def test_under_tls_no_other_host_can_plant_its_cookie(self) -> None:
        with testing.Client({"/": Guarded}, base_url="https://localhost") as client:
            page = client.get("/")
            cookie = page.headers["Set-Cookie"]
            assert re.fullmatch(r"__Host-csrf=[\w-]{22}; Path=/; Secure; HttpOnly; SameSite=Lax", cookie)
            assert client.post("/", headers={"X-CSRF-Token": page.text}).status == 200  # the client has the cookie
            assert client.post("/").status == 403
        with testing.Client({"/": Guarded}, base_url="https://localhost") as other:
            planted = {"Cookie": cookie.partition(";")[0].removeprefix("__Host-"), "X-CSRF-Token": page.text}
            assert other.post("/", headers=planted).status == 403

    def test_in_the_session(self) -> None:
        class Kept(SessionMixIn, Guarded):
            session_store = MemoryStore(per_worker=True)

        class Before(Guarded, SessionMixIn):
            session_store = Kept.session_store

        for shows in (Kept, Before):
            token, cookie = asked(shows)
            assert cookie.startswith("Cookie: session=")
            for takes in (Kept, Before):
                assert status(takes, "POST", cookie, f"X-CSRF-Token: {token}") == 200
                assert status(takes, "POST", asked(shows)[1], f"X-CSRF-Token: {token}") == 403
            bare, planted = asked(Guarded)  # a cookie and its signature do not stand for a session
            both = f"{cookie}; {planted.removeprefix('Cookie: ')}"
            assert status(Kept, "POST", both, f"X-CSRF-Token: {bare}") == 403


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("csrf_origins", "https://a.example", "got 'https://a.example', wanted a tuple of origins"),
        ("csrf_origins", ("*",), "wanted an origin as browsers write it, .*; csrf_checked = False turns the check off"),
        ("csrf_origins", ("https://a.example/",), "wanted an origin as browsers write it"),
        ("csrf_origins", ("https://A.example",), "wanted an origin as browsers write it"),
        ("csrf_origins", ("a.example",), "wanted an origin as browsers write it"),
        ("csrf_origins", ("null",), "wanted an origin as browsers write it"),
        ("csrf_key", b"short", "got 5 bytes, wanted at least 32 bytes"),
        ("csrf_key", "k" * 32, "got a value of type str, wanted at least 32 bytes"),
    ],
)
def test_a_wrong_option_is_refused_by_name(option: str, value: Any, told: str) -> None:
    with pytest.raises((TypeError, ValueError), match=rf"Wrong\.{option}: .*{told}") as caught:
        type("Wrong", (CSRFMixIn,), {option: value})
    assert "kkkk" not in str(caught.value)
    with pytest.raises(ValueError, match="a b"):
        type("Wrong", (CSRFMixIn,), {"csrf_cookie": "a b"})


@pytest.mark.parametrize("behind", [FormMixIn, DecompressionMixIn])
def test_it_stands_before_what_reads_bodies(behind: type) -> None:
    with pytest.raises(TypeError, match=f"CSRFMixIn must stand before {behind.__name__}: .*pages of other sites send"):
        type("Wrong", (behind, CSRFMixIn), {})


def test_preflights_and_logins() -> None:
    class Login(BasicAuthMixIn):
        def login(self, user: str, password: str) -> str:
            return user

    for bases in ((CSRFMixIn, CORSMixIn, Login), (CORSMixIn, CSRFMixIn, Login), (CORSMixIn, Login, CSRFMixIn)):
        cls: Any = type("Own", bases, {"do_post": lambda self: (200, ""), "cors_origins": ("https://app.example",)})
        preflight = made(cls, "OPTIONS", "Origin: https://app.example", "Access-Control-Request-Method: POST")
        assert preflight.respond()[0] == 204
        foreign = made(cls, "POST", "Origin: https://app.example", "Authorization: Basic eDp5")
        with pytest.raises(HTTPError, match="403"):
            foreign.respond()
        assert foreign.request.error_headers["Access-Control-Allow-Origin"] == "https://app.example"
        assert made(cls, "POST", "Sec-Fetch-Site: same-origin", "Authorization: Basic eDp5").respond()[0] == 200


def test_json_bodies_and_uploads() -> None:
    class Data(Guarded, JSONHandler):
        def do_post(self) -> Any:
            return 200, self.request.body

    token, cookie = asked(Guarded)
    sent = ("Content-Type: application/json", cookie)
    assert status(Data, "POST", *sent, body=b"[1]") == 403
    assert made(Data, "POST", *sent, f"X-CSRF-Token: {token}", body=b"[1]").respond()[1] == b"[1]"

    read: list[bytes] = []

    class Upload(Guarded):
        stream = True

        def do_put(self) -> Any:
            read.append(self.request.rfile.read())
            return 204, None

    assert status(Upload, "PUT", cookie, body=b"x" * 9) == 403 and not read
    assert status(Upload, "PUT", cookie, f"X-CSRF-Token: {token}", body=b"x" * 9) == 204 and read == [b"x" * 9]


# -- servers ----------------------------------------------------------------------------------------------------------

APP = """
import webpy
from http.server import BaseHTTPRequestHandler
from webpy import objects, stdlib, wsgi
from webpy.csrf import CSRFMixIn
from webpy.form import FormHandler


class Form(FormHandler):
    def do_get(self):
        return 200, self.csrf_token

    def do_post(self):
        return 200, self.request.body['a']


def app(environ, start_response):
    start_response('200 OK', [])
    return [environ['wsgi.input'].read()]


class Old(BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.rfile.read(int(self.headers['Content-Length'])))


class Pages:
    @objects.expose
    def index(self, a=''):
        return a


mixins = (CSRFMixIn,)
routes = {'/': Form, **wsgi.new(app, '/wsgi'), **stdlib.new(Old, '/old'), **objects.new(Pages(), '/pages')}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("csrf")
    (folder / "app.py").write_text(APP)
    started = Server("app.py", "--workers", "2", cwd=folder)
    started.wait_until_listening()
    yield started
    started.kill()


def post(server: Server, path: str, body: bytes = b"a=1", **fields: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return server.request("POST", path, body, {**kind, **named})


@pytest.mark.parametrize("path", ["/", "/wsgi", "/old", "/pages/"])
def test_before_handlers_and_hosts(server: Server, path: str) -> None:
    page = server.get("/")
    token, cookie = page.body.decode(), page.headers["Set-Cookie"].partition(";")[0]
    for fields in (
        {"Sec_Fetch_Site": "same-origin"},
        {"Origin": server.url},
        {"Cookie": cookie, "X_CSRF_Token": token},
        {},
    ):
        assert post(server, path, **fields).status == 200, fields
    for fields in ({"Sec_Fetch_Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Cookie": cookie}):
        got = post(server, path, **fields)
        assert got.status == 403 and token not in got.body.decode() and cookie not in got.body.decode()
    assert post(server, path, b"", Expect="100-continue", Content_Length="3", Sec_Fetch_Site="cross-site").status == 403
    in_form = post(server, path, f"a=1&csrf_token={token}".encode(), Cookie=cookie)
    assert in_form.status == (200 if path == "/" else 403)  # the bodies of hosts are theirs


def test_heads_that_are_alike_are_told_apart(server: Server) -> None:
    """The worker keeps what it found out about a head, for those that come again, too."""
    with contextlib.closing(server.client()) as client:
        for count in range(12):
            site = ("same-origin", "cross-site")[count % 2]
            fields = {"Content-Type": FORM.partition(": ")[2], "Sec-Fetch-Site": site, "X-Count": str(count // 4)}
            client.request("POST", "/", b"a=1", fields)
            answer = client.getresponse()
            answer.read()
            assert answer.status == (200, 403)[count % 2]


@pytest.mark.slow
def test_every_worker_and_generation_has_the_key(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    with testing.serve(tmp_path / "app.py", workers=2) as server:
        page = server.get("/")
        cookie, tokens = page.headers["Set-Cookie"].partition(";")[0], [page.text]
        for _ in range(2):
            for _ in range(8):  # connections go to both workers
                for token in tokens:
                    fields = {"Cookie": cookie, "X-CSRF-Token": token, "Content-Type": FORM.partition(": ")[2]}
                    assert server.post("/", data=b"a=1", headers=fields).status == 200
                tokens[1:] = [server.get("/", headers={"Cookie": cookie}).text]
            server.reload()


def test_the_example(serve: Serve, tmp_path: Path) -> None:
    site = serve(ROOT / "examples" / "guarded.py", "--workers", "2")
    assert post(site, "/", b"entry=hello").status == 303
    assert post(site, "/", b"entry=spam", Origin="https://evil.example.org").status == 403
    assert re.findall("<p>(.*?)</p>", site.get("/").body.decode()) == ["hello"]


EVIL = """
from webpy.page import PageHandler

class Evil(PageHandler):
    page_template = '<form method="post" action="%s"><input name="entry" value="spam"></form>'

routes = {'/.*': Evil}
"""


@pytest.mark.slow
@pytest.mark.needs("chromium")
def test_a_browser_s_forms_of_another_site_are_refused(serve: Serve, tmp_path: Path) -> None:
    site = serve(ROOT / "examples" / "guarded.py", "--workers", "2")
    (tmp_path / "evil.py").write_text(EVIL % f"{site.url}/")
    evil = serve(tmp_path / "evil.py", "--workers", "1")
    browser = Browser()
    try:
        tab = browser.open(f"{site.url}/")
        tab.eval("document.querySelector('[name=entry]').value = 'mine'")
        tab.click("button")
        tab.wait("document.querySelector('#count')?.textContent === '1 entries'")
        # 127.0.0.1 is trustworthy, so Sec-Fetch-Site says where it comes from: another port is another origin
        tab.go(f"{evil.url}/")
        tab.eval("document.forms[0].submit()")
        tab.wait("document.body?.innerText.startsWith('403 - this request was sent by a page of another site')")
        tab.go(f"{evil.url}/")
        told = tab.eval(
            f"fetch('{site.url}/', {{method: 'POST', mode: 'no-cors', body: 'entry=spam'}}).then(a => a.type)"
        )
        assert told == "opaque"
        tab.go(f"{site.url}/")
        assert tab.text().strip().splitlines()[-1] == "1 entries"
    finally:
        browser.close()
