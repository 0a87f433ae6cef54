"""webpy.caching: the directives, the validators, conditional requests, and the example on two workers."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from tests.heads import request_of
from tests.server import ROOT, Server
from tests.wire.client import Client, get
from webpy import HTTPError, HTTPHandler
from webpy.caching import CachingMixIn, directives, private
from webpy.compression import CompressionMixIn
from webpy.conditional import Validators, http_date, parse_http_date
from webpy.framework.hosting import HostHandler
from webpy.json import JSONHandler

Serve = Callable[..., Server]


def answer(cls: type[HTTPHandler], method: str = "GET", *fields: str) -> tuple[int, dict[str, str], Any]:
    handler = cls(request_of(method, "/", *fields), ())  # type: ignore[arg-type]
    result = handler.respond()
    return result[0], dict(handler.response.headers), result[-1]


def test_directives() -> None:
    assert directives() == ""
    assert directives("public", "immutable", max_age=60, s_maxage=0) == "public, immutable, max-age=60, s-maxage=0"
    assert directives("no-store") == "no-store"


@pytest.mark.parametrize(
    ("flags", "seconds", "said"),
    [
        (("publik",), {}, "got 'publik', wanted one of immutable, must-"),
        (("max-age=1",), {}, "got 'max-age=1'"),
        ((), {"maxage": 1}, "got 'maxage', wanted one of max-age, s-maxage"),
        ((), {"max_age": -1}, "max-age is -1, wanted whole seconds"),
        ((), {"max_age": 1.5}, "max-age is 1.5"),
        (("public", "private"), {}, "'public' and 'private'"),
    ],
)
def test_directives_that_there_are_not(flags: tuple[str, ...], seconds: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        directives(*flags, **seconds)


class Page(CachingMixIn):
    cache_control = "public, Max-Age=60"

    def do_get(self) -> Any:
        self.response.headers.set("Content-Type", "text/html")
        return 200, "Fine", "page"

    def do_put(self) -> Any:
        return 204, None


def test_fields_of_a_page() -> None:
    status, headers, body = answer(Page)
    assert (status, body) == (200, "page")
    assert list(headers) == ["Content-Type", "Cache-Control", "Expires", "ETag"]
    assert headers["Cache-Control"] == "public, Max-Age=60"
    assert 59 <= (parse_http_date(headers["Expires"]) or 0) - time.time() <= 61
    assert answer(Page, "HEAD")[1] == headers
    assert answer(Page, "PUT")[1] == {}


def test_a_copy_that_still_holds() -> None:
    etag = answer(Page)[1]["ETag"]
    for method in ("GET", "HEAD"):
        status, headers, body = answer(Page, method, f"If-None-Match: {etag}")
        assert (status, body) == (304, None)
        assert list(headers) == ["Cache-Control", "Expires", "ETag"]
    assert answer(Page, "GET", 'If-None-Match: "other"')[0] == 200
    assert answer(Page, "GET", f"If-Match: {etag}")[0] == 200
    with pytest.raises(HTTPError, match="412"):
        answer(Page, "GET", 'If-Match: "other"')
    assert answer(Page, "PUT", 'If-Match: "other"')[0] == 204  # there is nothing to take a digest of


def test_the_digest_is_of_the_bytes() -> None:
    class Some(CachingMixIn):
        body: Any = "ä"

        def do_get(self) -> Any:
            return 200, self.body

    etags = []
    for body in ("ä", "ä".encode(), bytearray("ä".encode()), memoryview("ä".encode()), "a"):
        Some.body = body
        etags.append(answer(Some)[1]["ETag"])
    assert len(set(etags)) == 2 and etags[-1] != etags[0]
    for body in (io.BytesIO(b"a"), [b"a"], None):
        Some.body = body
        assert answer(Some)[1] == {"Cache-Control": "no-cache"}
    Some.body, Some.cache_etags, Some.cache_control = "a", False, None
    assert answer(Some)[1] == {}


def test_what_the_method_says_stays() -> None:
    class Own(Page):
        file = io.BytesIO(b"a")

        def do_get(self) -> Any:
            for name, value in (("ETag", 'W/"7"'), ("Cache-Control", "private"), ("Last-Modified", http_date(1e9))):
                self.response.headers.set(name, value)
            return 200, self.file

    headers = {"ETag": 'W/"7"', "Cache-Control": "private", "Last-Modified": http_date(1e9)}
    assert answer(Own)[:2] == (200, headers)
    assert answer(Own, "GET", f"If-Modified-Since: {http_date(1e9 - 1)}")[0] == 200
    assert not Own.file.closed
    assert answer(Own, "GET", f"If-Modified-Since: {http_date(1e9)}") == (304, headers, None)
    assert Own.file.closed


@pytest.mark.parametrize("status", [201, 206, 302, 404])
def test_other_statuses_are_left_alone(status: int) -> None:
    class Other(Page):
        def do_get(self) -> Any:
            return status, "text"

    assert answer(Other) == (status, {}, "text")


class Document(CachingMixIn):
    known: Validators | None = Validators('"1"', 1e9)
    ran = 0

    def cache_validators(self) -> Validators | None:
        return self.known

    def do_get(self) -> Any:
        type(self).ran += 1
        if self.known is None:
            raise HTTPError(404)
        return 200, ["streamed"]

    def do_put(self) -> Any:
        type(self).ran += 1
        return 204, None


def runs(method: str, *fields: str, known: Validators | None) -> int:
    """Return the status, and whether the method ran, which it must only if the conditions are true."""
    Document.known, Document.ran = known, 0
    try:
        status = answer(Document, method, *fields)[0]
    except HTTPError as error:
        status = error.status
    assert Document.ran == (status not in (304, 412, 405) and method != "OPTIONS")
    return status


def test_validators_before_the_method() -> None:
    one, none = Validators('"1"', 1e9), None
    Document.known = one
    fields = {"Cache-Control": "no-cache", "ETag": '"1"', "Last-Modified": http_date(1e9)}
    assert answer(Document) == (200, fields, ["streamed"])
    assert answer(Document, "GET", 'If-None-Match: "1"') == (304, fields, None)
    assert runs("GET", f"If-Modified-Since: {http_date(1e9)}", known=one) == 304
    assert runs("GET", 'If-Match: "2"', known=one) == 412
    assert runs("GET", 'If-Match: "2"', known=none) == 404
    assert runs("PUT", 'If-Match: "1"', known=one) == 204
    assert runs("PUT", 'If-Match: "2"', known=one) == 412
    assert runs("PUT", 'If-Match: "1"', known=none) == 412
    assert runs("PUT", "If-None-Match: *", known=one) == 412
    assert runs("PUT", "If-None-Match: *", known=none) == 204
    assert runs("DELETE", 'If-Match: "2"', known=one) == 405
    assert runs("OPTIONS", 'If-Match: "2"', known=one) == 204


def test_it_mixes_with_other_handlers() -> None:
    class Both(CompressionMixIn, JSONHandler, CachingMixIn):
        def do_get(self) -> Any:
            return 200, ["text"] * 100

    status, headers, _ = answer(Both, "GET", "Accept-Encoding: gzip")
    assert status == 200 and headers["ETag"].startswith('W/"') and headers["Content-Encoding"] == "gzip"
    again = answer(Both, "GET", "Accept-Encoding: gzip", f"If-None-Match: {headers['ETag']}")
    kept = ("Cache-Control", "ETag", "Vary")
    assert again == (304, {name: headers[name] for name in kept}, None)


def test_the_example(serve: Serve) -> None:
    server = serve(ROOT / "examples" / "cached.py", "--workers", "2")
    page = server.get("/page")
    assert page.headers["Cache-Control"] == "public, max-age=60" and page.headers["Expires"]
    for _ in range(4):
        unchanged = server.get("/page", headers={"If-None-Match": page.headers["ETag"]})
        assert (unchanged.status, unchanged.body) == (304, b"")
        assert unchanged.headers["ETag"] == page.headers["ETag"] and "Content-Type" not in unchanged.headers

    assert server.get("/document").status == 404
    assert server.request("PUT", "/document", b"x", {"If-Match": "*"}).status == 412
    assert server.request("PUT", "/document", b"first", {"If-None-Match": "*"}).status == 204
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server)) for _ in range(8)]
        for number in range(15):  # a second client that saw the same state does not overwrite the first
            seen = f"If-Match: {server.get('/document').headers['ETag']}"
            for place, client in enumerate(clients):
                client.send(get("/document", seen, method="PUT", body=b"%d %d" % (number, place)))
            assert sorted(client.read("PUT").status for client in clients) == [204] + [412] * 7
    assert server.get("/document").body.startswith(b"14 ")


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("", "private, no-cache"),
        ("private", "private"),
        ("no-store", "no-store"),
        ("Private , Max-Age=5", "Private , Max-Age=5"),
        ("public", "private"),
        ("PUBLIC,max-age=5,immutable", "private, max-age=5, immutable"),
        ("max-age=5", "private, max-age=5"),
        ("no-store, public", "no-store"),
        ("public, private", "private"),
        ("s-maxage=5, max-age=1", "private, max-age=1"),
        ('private="Set-Cookie", max-age=1', "private, max-age=1"),
        ('no-cache="a, public", max-age=1', 'private, no-cache="a, public", max-age=1'),
        ("publicly, x=public", "private, publicly, x=public"),
    ],
)
def test_for_one_client_only(said: str, wanted: str) -> None:
    assert private(said) == wanted
    assert private(wanted) == wanted


def hosted(*fields: str, method: str = "GET", result: Any = (200, b"body"), **members: Any) -> Any:
    """Answers as a host does: no do_get, and HEAD without the body."""

    class Host(HostHandler):
        def respond(self) -> Any:
            self.take_fields([("Content-Length", "4")])
            return result

    made: Any = type("Hosted", (CachingMixIn, Host), members)
    return made(request_of(method, "/", *fields), ())


def test_before_a_host() -> None:
    """`cache_validators` count although the host has no do_get; a digest is of the body, which HEAD has not."""
    told = {"cache_validators": lambda self: Validators('"v1"')}
    assert hosted('If-None-Match: "v1"', **told).respond() == (304, None)
    handler = hosted('If-None-Match: "v0"', **told)
    assert handler.respond() == (200, b"body") and handler.response.headers["ETag"] == '"v1"'
    with pytest.raises(HTTPError):
        hosted('If-Match: "v0"', method="PUT", **told).respond()
    plain, head = hosted(), hosted(method="HEAD", result=(200, b""))
    plain.respond()
    head.respond()
    assert "ETag" in plain.response.headers and "ETag" not in head.response.headers


def test_a_304_of_the_methods_own_says_how_long_it_holds() -> None:
    handler = hosted(result=(304, None), cache_control=directives("public", max_age=60))
    assert handler.respond() == (304, None)
    assert handler.response.headers["Cache-Control"] == "public, max-age=60"
