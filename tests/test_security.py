"""webpy.security: the fields of each answer, the nonce, what caches may keep, options, and a browser that obeys."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.admin.browser import Browser
from tests.heads import request_of
from tests.server import ROOT, Server
from webpy import HTTPError, HTTPHandler
from webpy.caching import CachingMixIn
from webpy.compression import CompressionMixIn
from webpy.conditional import Validators
from webpy.framework.later import Later
from webpy.page import PageHandler
from webpy.security import POLICY, SecurityMixIn

Serve = Callable[..., Server]

PLAIN = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
DEFAULT = {
    "Content-Security-Policy": PLAIN,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
NONCE = re.compile(r"script-src 'self' 'nonce-([A-Za-z0-9+/]{22}==)';")


def made(cls: type[HTTPHandler], *fields: str) -> Any:
    return cls(request_of("GET", "/", *fields), ())  # type: ignore[arg-type]


def fields_of(cls: type[HTTPHandler], *fields: str) -> dict[str, str]:
    """Return the fields of an answer, none of which is there twice."""
    handler = made(cls, *fields)
    handler.respond()
    found = list(handler.response.headers)
    assert len(found) == len(dict(found))
    return dict(found)


class Page(SecurityMixIn):
    def do_get(self) -> Any:
        return 200, "page"


class Scripted(SecurityMixIn):
    def do_get(self) -> Any:
        return 200, f"<script nonce={self.csp_nonce}>"


def test_the_default() -> None:
    assert fields_of(Page) == DEFAULT
    handler = made(Page)
    assert dict(handler.request.error_headers) == DEFAULT


def test_answers_share_nothing_that_can_be_changed() -> None:
    first, second = made(Page), made(Page)
    first.response.headers.set("Referrer-Policy", "origin")
    first.request.error_headers.add("X-Own", "1")
    assert dict(second.response.headers) == dict(second.request.error_headers) == DEFAULT == fields_of(Page)


def test_a_nonce_is_made_for_each_answer_that_asks_for_it() -> None:
    seen = set()
    for _ in range(3):
        handler = made(Scripted)
        _, body = handler.respond()
        nonce = NONCE.search(handler.response.headers["Content-Security-Policy"])
        assert nonce and body == f"<script nonce={nonce[1]}>" and handler.csp_nonce == nonce[1]
        assert nonce[0] in handler.request.error_headers["Content-Security-Policy"]
        assert handler.response.headers["Cache-Control"] == "no-store"
        seen.add(nonce[1])
    assert len(seen) == 3
    assert "nonce" not in fields_of(Page)["Content-Security-Policy"]


def test_it_is_not_made_when_the_answer_has_begun() -> None:
    handler = made(Page)
    handler.respond()
    with pytest.raises(RuntimeError, match="csp_nonce was first read when the answer had begun"):
        _ = handler.csp_nonce


def test_a_policy_without_a_place_for_it_has_none() -> None:
    class Hashed(Scripted):
        security_csp: ClassVar = {"script-src": "'sha256-AAAA'"}

    class Off(Scripted):
        security_csp = None
        security_frame_ancestors = None

    assert made(Hashed).respond() == made(Off).respond() == (200, "<script nonce=>")
    told = fields_of(Hashed)
    assert told["Content-Security-Policy"] == "script-src 'sha256-AAAA'; frame-ancestors 'self'"
    assert "Cache-Control" not in told and "Content-Security-Policy" not in fields_of(Off)


def test_options() -> None:
    class Own(Scripted):
        security_csp: ClassVar = {
            **POLICY,
            "script-src": "'nonce' 'strict-dynamic'",
            "img-src": "*",
        }
        security_csp_report_only = True
        security_frame_ancestors = "https://shop.example.org"
        security_nosniff = False
        security_referrer_policy = "no-referrer"
        security_opener_policy = None
        security_permissions_policy = "camera=(), geolocation=(self)"
        security_nonce_cache_control = None

    told = fields_of(Own)
    assert told.keys() == {"Content-Security-Policy-Report-Only", "Referrer-Policy", "Permissions-Policy"}
    policy = told["Content-Security-Policy-Report-Only"]
    assert re.search(r"script-src 'nonce-[^']+' 'strict-dynamic'; .*img-src \*; .*frame-ancestors https://shop", policy)
    assert told["Permissions-Policy"] == "camera=(), geolocation=(self)"

    class Least(Page):
        security_csp: ClassVar = {"script-src": "'nonce'", "upgrade-insecure-requests": "", "frame-ancestors": "'none'"}

    policy = fields_of(Least)["Content-Security-Policy"]
    assert policy == "script-src; upgrade-insecure-requests; frame-ancestors 'none'"


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("security_csp", "default-src 'self'", "got \"default-src 'self'\", wanted a dict such as"),
        ("security_csp", {"script-src": "self"}, "wanted quotes around the keyword: \"'self'\""),
        ("security_csp", {"script-src": "https://a.example nonce"}, "quotes around the keyword: \"'nonce'\""),
        ("security_csp", {"script-src": "'self'; img-src *"}, "the sources of script-src with spaces between them"),
        ("security_csp", {"script-src": ["'self'"]}, "the sources of script-src"),
        ("security_csp", {"script-src": "a\r\nb"}, "the sources of script-src"),
        ("security_csp", {"scriptSrc": "'self'"}, "got 'scriptSrc', wanted the name of a directive"),
        ("security_frame_ancestors", "none", "quotes around the keyword: \"'none'\""),
        ("security_frame_ancestors", True, "got True, wanted the sources of frame-ancestors"),
        ("security_referrer_policy", "", "wanted the value of a field, or None"),
        ("security_opener_policy", "a\nb", "wanted the value of a field, or None"),
        ("security_permissions_policy", {"camera": ()}, "wanted the value of a field, or None"),
        ("security_nonce_cache_control", 0, "wanted the value of a field, or None"),
    ],
)
def test_a_wrong_option_is_refused_by_name(option: str, value: Any, told: str) -> None:
    with pytest.raises((TypeError, ValueError), match=rf"Wrong\.{option}: .*{re.escape(told)}"):
        type("Wrong", (SecurityMixIn,), {option: value})


def test_what_the_handler_sets_stays() -> None:
    class Own(SecurityMixIn):
        def do_get(self) -> Any:
            self.response.headers.set("Content-Security-Policy", f"script-src 'nonce-{self.csp_nonce}'")
            self.response.headers.set("Referrer-Policy", "no-referrer")
            return 200, ""

    told = fields_of(Own)
    assert re.fullmatch(r"script-src 'nonce-[^']{24}'", told["Content-Security-Policy"])
    assert (told["Referrer-Policy"], told["Cache-Control"]) == ("no-referrer", "no-store")


@pytest.mark.parametrize("order", [(SecurityMixIn, CompressionMixIn), (CompressionMixIn, SecurityMixIn)])
def test_no_cache_keeps_an_answer_with_a_nonce(order: tuple[type, ...]) -> None:
    class Cached(CachingMixIn):
        cache_control = "public, max-age=60"

    for body, kept in ((Page, "public, max-age=60"), (Scripted, "no-store")):
        own: Any = type("Own", (*order, Cached), {"do_get": vars(body)["do_get"]})
        told = fields_of(own, "Accept-Encoding: gzip")
        assert (told["Cache-Control"], "Expires" in told) == (kept, kept != "no-store")
        assert "ETag" in told  # conditions on a change of the resource go on


def test_a_304_leaves_the_fields_out() -> None:
    class Known(SecurityMixIn, CachingMixIn):
        def cache_validators(self) -> Validators:
            return Validators('"x"')

        def do_get(self) -> Any:
            return 200, ""

    class Raised(Known):
        def do_get(self) -> Any:
            _ = self.csp_nonce
            raise HTTPError(304)

    handler = made(Known, 'If-None-Match: "x"')
    assert handler.respond() == (304, None)
    assert {name for name, _ in handler.response.headers} == {"Cache-Control", "ETag"}
    handler = made(Raised)
    with pytest.raises(HTTPError, match="304"):
        handler.respond()
    assert "Content-Security-Policy" not in handler.request.error_headers

    class Late(SecurityMixIn):
        def do_get(self) -> Any:
            _ = self.csp_nonce
            if self.request.headers.get("Own"):
                self.response.headers.remove("Content-Security-Policy")
            return 304, None

    assert fields_of(Late) == fields_of(Late, "Own: 1") == {"Cache-Control": "no-store"}

    class Own(SecurityMixIn):
        def do_get(self) -> Any:
            self.response.headers.set("Referrer-Policy", "no-referrer")
            return 304, None

    assert fields_of(Own) == {"Referrer-Policy": "no-referrer"}


def test_an_answer_that_comes_later() -> None:
    class Answering(SecurityMixIn):
        def do_get(self) -> Any:
            return Later(lambda answerable: answerable.respond((200, self.csp_nonce)))

    handler = made(Answering)
    later = handler.respond()
    assert NONCE.search(handler.response.headers["Content-Security-Policy"]) is None
    nonce = handler.csp_nonce  # the answer has not begun
    result: Any = (200, nonce)
    for change in later.changes:
        result = change(result)
    assert f"'nonce-{nonce}'" in handler.response.headers["Content-Security-Policy"]
    assert handler.response.headers["Cache-Control"] == "no-store"


def test_in_templates() -> None:
    class Formatted(SecurityMixIn, PageHandler):
        page_template = "<script nonce='{nonce}'>1</script>"

        def page_values(self) -> Any:
            return {"nonce": self.csp_nonce}

    class Jinja(SecurityMixIn, PageHandler):
        page_engine = "jinja2"
        page_template = "<script nonce='{{ handler.csp_nonce }}'>1</script>"

    for cls in (Formatted, Jinja):
        handler = made(cls)
        _, body = handler.respond()
        found = re.search("nonce='(.*?)'", body)
        assert found and f"'nonce-{found[1]}'" in handler.response.headers["Content-Security-Policy"]


def test_caching_must_stand_behind() -> None:
    with pytest.raises(TypeError, match="SecurityMixIn must stand before CachingMixIn: a 304 would replace the policy"):
        type("Wrong", (CachingMixIn, SecurityMixIn), {})


# -- a browser --------------------------------------------------------------------------------------------------------

PAGES = """
from webpy.page import PageHandler
from webpy.security import SecurityMixIn

class Page(PageHandler):
    page_engine = 'jinja2'
    page_template = '''<!DOCTYPE html><title>page</title><body>
<script nonce="{{ handler.csp_nonce }}">document.title += ' nonce'</script>
<script>document.title += ' injected'</script>
<img src="data:," onerror="document.title += ' attribute'">
<p style="color: rgb(1, 2, 3)">x</p>'''

class Bare(Page):
    security_csp = None
    security_frame_ancestors = None

mixins = (SecurityMixIn,)
routes = {'/': Page, '/bare': Bare}
"""
FRAMING = """
from webpy.page import PageHandler

class Framing(PageHandler):
    page_template = '<iframe src="%s"></iframe>'

routes = {'/.*': Framing}
"""


@pytest.mark.slow
@pytest.mark.needs("chromium")
def test_a_browser_runs_scripts_with_the_nonce_and_no_others(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(PAGES)
    site = serve(tmp_path / "app.py", "--workers", "2")
    browser = Browser()
    try:
        tab = browser.open(f"{site.url}/bare")
        tab.wait("document.title.includes('attribute')")
        assert tab.eval("document.title") == "page nonce injected attribute"
        tab.go(f"{site.url}/")
        assert tab.eval("document.title") == "page nonce"
        assert len([each for each in tab.troubles() if "script-src" in each]) == 2
        assert tab.eval("getComputedStyle(document.querySelector('p')).color") == "rgb(1, 2, 3)"
        for place, refused in (("/bare", False), ("/", True)):
            (tmp_path / "other.py").write_text(FRAMING % f"{site.url}{place}")
            other = serve(tmp_path / "other.py", "--workers", "1")
            framing = browser.open(f"{other.url}{place}")
            assert any("frame-ancestors" in each for each in framing.troubles()) == refused
    finally:
        browser.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(ROOT / "examples" / "guarded.py", "--workers", "2", cwd=tmp_path_factory.mktemp("guarded"))
    started.wait_until_listening()
    yield started
    started.kill()


def test_the_example(server: Server) -> None:
    """The file is "guarded.py"; what it refuses is tested beside webpy.csrf."""
    nonces = set()
    for _ in range(4):
        page = server.get("/")
        (policy,) = page.headers.get_all("Content-Security-Policy")
        nonce = NONCE.search(policy)
        assert nonce and f'<script nonce="{nonce[1]}">' in page.body.decode()
        assert "no-store" in page.headers["Cache-Control"]
        nonces.add(nonce[1])
        assert server.get("/nowhere").headers["Content-Security-Policy"] == PLAIN
    assert len(nonces) == 4
