"""webpy.cors: preflights, the fields of all other answers, errors too, and a browser's way through the example."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.admin.browser import Browser, Tab
from tests.heads import request_of
from tests.server import ROOT, Answer, Server
from webpy import HTTPError, HTTPHandler
from webpy.cors import CORSMixIn
from webpy.json import JSONHandler

Serve = Callable[..., Server]
APP = "https://app.example.org"
OTHER = "https://other.example.org"


def answer(cls: type[HTTPHandler], method: str = "GET", *fields: str) -> tuple[int, dict[str, str]]:
    """Return status, CORS fields and Vary of an answer."""
    handler = cls(request_of(method, "/", *fields), ())  # type: ignore[arg-type]
    status, _ = handler.respond()
    headers = handler.response.headers
    names = [name for name, _ in headers]
    assert len(names) == len(set(names))
    return status, {name: value for name, value in headers if name.startswith("Access-Control-") or name == "Vary"}


class Shared(CORSMixIn):
    cors_origins = (APP,)

    def do_get(self) -> Any:
        return 200, "read"

    def do_put(self) -> Any:
        raise HTTPError(409)


class Everybodys(Shared):
    cors_origins = ("*",)


class Generous(Shared):
    cors_credentials = True
    cors_exposed = ("ETag", "X-Count")
    cors_headers = ()
    cors_methods = ("GET", "PATCH")
    cors_max_age_s = 5

    def cors_allows(self, origin: str) -> bool:
        return origin.endswith(".example.org")


def test_an_origin_that_may() -> None:
    allowed = {"Access-Control-Allow-Origin": APP, "Vary": "Origin"}
    assert answer(Shared, "GET", f"Origin: {APP}") == (200, allowed)
    assert answer(Shared, "HEAD", f"Origin: {APP}") == (200, allowed)
    assert answer(Shared, "OPTIONS", f"Origin: {APP}") == (204, allowed)  # not a preflight


@pytest.mark.parametrize(
    "origin", [OTHER, "null", "", APP + ".evil.org", APP + ":8443", APP.upper(), "http" + APP[5:], "*", APP + "/"]
)
def test_an_origin_that_may_not(origin: str) -> None:
    assert answer(Shared, "GET", f"Origin: {origin}") == (200, {"Vary": "Origin"})
    asked = "Access-Control-Request-Method: GET"
    assert answer(Shared, "OPTIONS", f"Origin: {origin}", asked) == (204, {"Vary": "Origin"})


def test_without_an_origin_caches_are_told() -> None:
    assert answer(Shared) == (200, {"Vary": "Origin"})
    assert answer(Everybodys) == (200, {})


def test_everybody_may() -> None:
    assert answer(Everybodys, "GET", "Origin: null") == (200, {"Access-Control-Allow-Origin": "*"})


def test_a_preflight() -> None:
    asked = (f"Origin: {APP}", "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: x-a,content-type")
    assert answer(Shared, "OPTIONS", *asked) == (
        204,
        {
            "Access-Control-Allow-Origin": APP,
            "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS, PUT",
            "Access-Control-Allow-Headers": "Authorization, Content-Type",
            "Access-Control-Max-Age": "600",
            "Vary": "Origin",
        },
    )


def test_credentials_and_all_other_options() -> None:
    allowed = {
        "Access-Control-Allow-Origin": OTHER,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": "ETag, X-Count",
        "Vary": "Origin",
    }
    assert answer(Generous, "GET", f"Origin: {OTHER}") == (200, allowed)
    preflight = (f"Origin: {OTHER}", "Access-Control-Request-Method: PATCH")
    more = {"Access-Control-Allow-Methods": "GET, PATCH", "Access-Control-Max-Age": "5"}
    assert answer(Generous, "OPTIONS", *preflight) == (204, allowed | more)
    assert answer(Generous, "GET", "Origin: https://example.com") == (200, {"Vary": "Origin"})


def test_a_preflight_needs_no_login() -> None:
    class Guarded(HTTPHandler):
        def respond(self) -> Any:
            raise HTTPError(401)

    class Secret(Shared, Guarded):
        pass

    assert answer(Secret, "OPTIONS", f"Origin: {APP}", "Access-Control-Request-Method: GET")[0] == 204
    for fields in ((f"Origin: {OTHER}", "Access-Control-Request-Method: GET"), (f"Origin: {APP}",)):
        with pytest.raises(HTTPError, match="401"):
            answer(Secret, "OPTIONS", *fields)


def test_settings_that_open_too_much_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Wide: cors_credentials with the origin '\*'"):

        class Wide(Everybodys):
            cors_credentials = True

    with pytest.raises(TypeError, match="cors_origins is 'https://app.example.org', wanted a tuple"):

        class Text(CORSMixIn):
            cors_origins = APP


def test_it_mixes_with_other_handlers() -> None:
    class Last(JSONHandler, CORSMixIn):
        cors_origins = (APP,)

        def do_get(self) -> Any:
            return 200, ["a"]

    assert answer(Last, "GET", f"Origin: {APP}")[1]["Access-Control-Allow-Origin"] == APP


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(ROOT / "examples" / "cors.py", "--workers", "2", cwd=tmp_path_factory.mktemp("cors"))
    started.wait_until_listening()
    yield started
    started.kill()


PAGE = {"Origin": "http://localhost:3000"}


def allowed(got: Answer) -> bool:
    assert got.headers.get_all("Vary") == ["Origin"]
    return got.headers.get_all("Access-Control-Allow-Origin") == ["http://localhost:3000"]


def test_the_example(server: Server) -> None:
    for _ in range(2):  # connections go to both workers
        preflight = server.request("OPTIONS", "/colours/red", headers=PAGE | {"Access-Control-Request-Method": "PUT"})
        assert (preflight.status, preflight.body) == (204, b"") and allowed(preflight)
        assert "PUT" in preflight.headers["Access-Control-Allow-Methods"]
        put = server.request("PUT", "/colours/red", b"#f00", PAGE)
        assert put.status == 204 and allowed(put)
        read = server.get("/colours", headers=PAGE)
        assert read.body == b"red\n" and allowed(read)
        assert (read.headers["Access-Control-Expose-Headers"], read.headers["X-Colours"]) == ("X-Colours", "1")
        assert not allowed(server.get("/colours", headers={"Origin": "http://localhost:3001"}))


def test_errors_carry_the_fields_whoever_raised_them(server: Server) -> None:
    missing = server.get("/colours/green", headers=PAGE)
    assert missing.status == 404 and allowed(missing)
    refused = server.request("DELETE", "/colours/green", headers=PAGE)
    assert refused.status == 405 and allowed(refused) and "PUT" in refused.headers["Allow"]
    large = server.request("PUT", "/colours/green", b"", PAGE | {"Expect": "100-continue", "Content-Length": "9" * 9})
    assert large.status == 413  # answered by the worker, before a handler is found


APP_OF_ERRORS = f"""
import webpy as web
from webpy.cors import CORSMixIn

class Shared(CORSMixIn):
    cors_origins = ({APP!r},)

class Broken(Shared):
    def do_get(self):
        return 200, 1 / 0

class Unsendable(Shared):
    def do_get(self):
        return 200, 7

class Late(Shared):
    def do_get(self):
        return 200, self.pieces()

    def pieces(self):
        raise web.HTTPError(410)
        yield b""

class Own(Shared):
    def do_get(self):
        raise web.HTTPError(406, headers={{"Vary": "Accept, origin", "access-control-allow-origin": "*"}})

class Refused(Shared):
    def check_continue(self):
        return False

    def do_put(self):
        return 200, None


routes = {{"/broken": Broken, "/unsendable": Unsendable, "/late": Late, "/own": Own, "/refused": Refused}}
"""


def test_errors_of_every_kind(serve: Serve, tmp_path: Path) -> None:
    """Unexpected errors have the fields too, as scripts could not read their status without them."""
    (tmp_path / "app.py").write_text(APP_OF_ERRORS)
    server = serve(tmp_path / "app.py", "--workers", "1")
    for path, status in (("/broken", 500), ("/unsendable", 500), ("/late", 410)):
        got = server.get(path, headers={"Origin": APP})
        assert got.status == status
        assert (got.headers["Access-Control-Allow-Origin"], got.headers["Vary"]) == (APP, "Origin")
        assert server.get(path).headers.get("Access-Control-Allow-Origin") is None
    own = server.get("/own", headers={"Origin": APP})
    assert own.headers.get_all("Access-Control-Allow-Origin") == ["*"] and own.headers["Vary"] == "Accept, origin"
    refused = server.request("PUT", "/refused", b"", {"Origin": APP, "Expect": "100-continue", "Content-Length": "3"})
    assert (refused.status, refused.headers["Access-Control-Allow-Origin"]) == (417, APP)
    assert server.get("/nowhere", headers={"Origin": APP}).headers.get("Access-Control-Allow-Origin") is None


SHARING = """
import os
from webpy.cors import CORSMixIn

class Thing(CORSMixIn):
    cors_origins = (os.environ['PAGE'],)
    cors_exposed = ('X-Told',)

    def do_get(self):
        self.response.headers.set('X-Told', 'yes')
        self.response.headers.set('X-Untold', 'no')
        return 200, 'thing'

    def do_put(self):
        return 200, self.request.body

    def do_delete(self):
        return 200, 1 / 0

routes = {'/thing': Thing}
"""

FETCH = """
fetch(%r, %s).then(
    async (got) =>
        [got.status, (await got.text()).trim(), got.headers.get('X-Told'), got.headers.get('X-Untold')].join(),
    (error) => error.name
)
"""


@pytest.mark.slow
@pytest.mark.needs("chromium")
def test_a_browser_lets_scripts_of_the_allowed_origin_read_and_no_others(serve: Serve, tmp_path: Path) -> None:
    page = serve(ROOT / "examples" / "negotiated.py", "--workers", "1")
    other = serve(ROOT / "examples" / "negotiated.py", "--workers", "1")
    (tmp_path / "app.py").write_text(SHARING)
    shared = serve(tmp_path / "app.py", "--workers", "2", env={"PAGE": page.url})

    def fetch(tab: Tab, options: str) -> str:
        said: str = tab.eval(FETCH % (f"{shared.url}/thing", options))
        return said

    browser = Browser()
    try:
        tab = browser.open(f"{page.url}/weather")
        assert fetch(tab, "{}") == "200,thing,yes,"
        put = "{method: 'PUT', headers: {'Content-Type': 'application/json'}, body: '[1]'}"
        assert fetch(tab, put) == "200,[1],,"
        assert fetch(tab, "{method: 'DELETE'}") == "500,500 - Internal Server Error,,"
        assert fetch(tab, "{headers: {'X-Own': 'a'}}") == "TypeError"  # it is not in cors_headers
        assert fetch(tab, "{credentials: 'include'}") == "TypeError"
        tab.go(f"{other.url}/weather")
        assert fetch(tab, "{}") == "TypeError"
        assert fetch(tab, put) == "TypeError"
    finally:
        browser.close()
    shared.wait_for('"OPTIONS /thing HTTP/1.1" 204', shared.log)
