"""Tools about the body: encode, decode, gzip, flatten, etags, expires, caching, the same on CherryPy and on webpy."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator

import pytest

from ..sidebyside import Pair

SCRIPT = '''
import cherrypy

tools, request, response = cherrypy.tools, cherrypy.request, cherrypy.response


class Counted:
    """Of webpy's two workers each has its own, so the count is kept where all see it."""

    def __init__(self):
        open("count", "w").close()

    def __call__(self):
        with open("count", "a") as file:
            file.write(".")
            file.flush()
            return file.tell()


counted = Counted()


class Root:
    @cherrypy.expose
    def text(self):
        return "\\u00e9\\u20ac"

    @cherrypy.expose
    @tools.encode(encoding="iso-8859-1")
    def latin(self, more=""):
        return "\\u00e9" + ("\\u20ac" if more else "")

    @cherrypy.expose
    @tools.encode(encoding="utf-16")
    def utf16(self):
        return "\\u00e9"

    @cherrypy.expose
    @tools.encode(encoding="ascii", errors="replace")
    def replaced(self):
        return "\\u00e9"

    @cherrypy.expose
    @tools.encode(encoding="nonsense")
    def unknown(self):
        return "x"

    @cherrypy.expose
    def json_text(self):
        response.headers["Content-Type"] = "application/json"
        return "\\u00e9"

    @cherrypy.expose
    @tools.encode(text_only=False)
    def json_encoded(self):
        response.headers["Content-Type"] = "application/json"
        return "\\u00e9"

    @cherrypy.expose
    @tools.encode(add_charset=False)
    def no_charset(self):
        return "\\u00e9"

    @cherrypy.expose
    def raw(self):
        return b"\\xff"

    @cherrypy.expose
    def pieces(self):
        return ["a", "\\u00e9", b"c"]

    @cherrypy.expose
    def nothing(self):
        return None

    @cherrypy.expose
    def empty(self):
        return ""

    @cherrypy.expose
    def number(self):
        return 5

    @cherrypy.expose
    def mapping(self):
        return {"a": 1}

    @cherrypy.expose
    def generated(self):
        yield "\\u00e9"
        yield b"b"

    @cherrypy.expose
    def generated_numbers(self):
        yield 1

    @cherrypy.expose
    def streamed(self):
        yield "\\u00e9"
        yield b"b"

    streamed._cp_config = {"response.stream": True}

    @cherrypy.expose
    def own_type(self):
        response.headers["Content-Type"] = "text/plain;charset=iso-8859-1"
        return "\\u00e9"

    @cherrypy.expose
    @tools.encode(on=False)
    def off(self):
        return "\\u00e9"

    @cherrypy.expose
    @tools.encode(on=False)
    def off_bytes(self):
        return b"x"

    @cherrypy.expose
    @tools.decode(encoding="iso-8859-1")
    def decoded(self, **kwargs):
        return repr(kwargs)

    @cherrypy.expose
    @tools.decode(default_encoding="iso-8859-1")
    def decoded_else(self, **kwargs):
        return repr(kwargs)

    @cherrypy.expose
    def not_decoded(self, **kwargs):
        return repr(kwargs)

    @cherrypy.expose
    @tools.gzip()
    def zipped(self):
        return "x" * 2000

    @cherrypy.expose
    @tools.gzip(mime_types=["text/*", "application/*+xml"], compress_level=9)
    def zipped_types(self, kind="application/atom+xml"):
        response.headers["Content-Type"] = str(kind)
        return b"x" * 2000

    @cherrypy.expose
    @tools.gzip()
    def zipped_empty(self):
        return ""

    @cherrypy.expose
    @tools.gzip()
    def zipped_error(self):
        raise cherrypy.HTTPError(404)

    @cherrypy.expose
    @tools.gzip()
    def zipped_stream(self):
        yield "a" * 100
        yield "b" * 100

    zipped_stream._cp_config = {"response.stream": True, "tools.gzip.on": True}

    @cherrypy.expose
    @tools.encode(on=False)
    @tools.flatten()
    def flat(self):
        def inner():
            yield b"b"
            yield (piece for piece in [b"c"])
        yield b"a"
        yield inner()

    @cherrypy.expose
    @tools.etags(autotags=True)
    def tagged(self):
        return "abc"

    @cherrypy.expose
    @tools.etags()
    def own_tag(self):
        response.headers["ETag"] = '"v"'
        return "abc"

    @cherrypy.expose
    @tools.etags()
    def no_tag(self):
        return "abc"

    @cherrypy.expose
    @tools.etags(autotags=True)
    def tagged_error(self):
        raise cherrypy.HTTPError(404)

    @cherrypy.expose
    @tools.etags(autotags=True)
    @tools.gzip()
    def tagged_zipped(self):
        return "abc" * 100

    @cherrypy.expose
    @tools.caching(delay=600)
    @tools.etags(autotags=True)
    def tagged_kept(self):
        return "abc" * 100

    @cherrypy.expose
    @tools.expires(secs=60)
    def expires(self):
        return "x"

    @cherrypy.expose
    @tools.expires(secs=0)
    def expired(self):
        response.headers["Last-Modified"] = "Sun, 06 Nov 1994 08:49:37 GMT"
        return "x"

    @cherrypy.expose
    @tools.expires(secs=0, force=True)
    def expired_forced(self):
        response.headers["Cache-Control"] = "public"
        return "x"

    @cherrypy.expose
    @tools.expires(secs=60)
    def expires_tagged(self):
        response.headers["ETag"] = '"x"'
        response.headers["Expires"] = "0"
        return "x"

    @cherrypy.expose
    @tools.caching(delay=600)
    def kept(self, **kwargs):
        response.headers["X-N"] = "a"
        return "%d %r" % (counted(), kwargs)

    @cherrypy.expose
    @tools.caching(delay=600)
    def kept_varied(self, **kwargs):
        response.headers["Vary"] = "X-V"
        return "%d" % counted()

    @cherrypy.expose
    @tools.caching(delay=600)
    def kept_error(self):
        raise cherrypy.HTTPError(404, "%d" % counted())

    @cherrypy.expose
    @tools.caching(delay=600)
    def not_stored(self):
        response.headers["Cache-Control"] = "no-store"
        return "%d" % counted()

    @cherrypy.expose
    @tools.caching(delay=600)
    def pragma(self):
        response.headers["Pragma"] = "no-cache"
        return "%d" % counted()

    @cherrypy.expose
    @tools.caching(delay=600)
    @tools.etags(autotags=True)
    @tools.gzip()
    def kept_tagged(self):
        return "%d" % counted() * 100

    @cherrypy.expose
    @tools.caching(delay=600)
    def kept_dated(self):
        response.headers["Last-Modified"] = "Sun, 06 Nov 1994 08:49:37 GMT"
        return "%d" % counted()


    @cherrypy.expose
    @tools.caching(delay=600)
    def kept_for(self, status="200"):
        response.headers["Cache-Control"] = "public" if status == "201" else "max-age=9"
        if status == "503":
            raise cherrypy.HTTPError(503, "%d" % counted())
        response.headers["Last-Modified"] = "Sun, 06 Nov 1994 08:49:37 GMT"
        return "%d" % counted()


cherrypy.quickstart(Root(), "/")
'''

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def both(pair: Callable[..., Pair]) -> Iterator[Pair]:
    yield pair(SCRIPT)


def test_encode(both: Pair) -> None:
    for page in (
        *("text", "latin", "latin?more=1", "utf16", "replaced", "unknown", "json_text", "json_encoded", "no_charset"),
        *("raw", "pieces", "nothing", "empty", "number", "mapping", "generated", "generated_numbers", "streamed"),
        *("own_type", "off", "off_bytes"),
    ):
        both.same("GET", f"/{page}", ignore=["body"] if page == "no_charset" else [])


CHARSETS = ["utf-8", "iso-8859-1", "iso-8859-1;q=0.5, utf-8", "us-ascii", "*", "*;q=0", "nonsense", "utf-16", ""]


@pytest.mark.slow
@pytest.mark.parametrize("page", ["text", "latin", "utf16", "raw"])
@pytest.mark.parametrize("charset", CHARSETS)
def test_encode_by_the_clients_charsets(both: Pair, page: str, charset: str) -> None:
    seen = both.same("GET", f"/{page}", headers={"Accept-Charset": charset}, ignore=["body"])
    if seen.status == 200:
        both.same("GET", f"/{page}", headers={"Accept-Charset": charset})


def test_a_text_that_cannot_be_in_the_first_charset_is_whole_in_the_next(both: Pair) -> None:
    _, mine = both.send("GET", "/generated", headers={"Accept-Charset": "us-ascii, iso-8859-1;q=0.5"})
    assert (mine.status, mine.body) == (200, b"\xe9b")  # CherryPy has lost the first piece then


@pytest.mark.slow
@pytest.mark.parametrize("page", ["decoded", "decoded_else", "not_decoded"])
def test_decode(both: Pair, page: str) -> None:
    for body in ("a=%E9", "a=%C3%A9", b"a=\xe9"):
        both.same("POST", f"/{page}", body, FORM)
    both.same("POST", f"/{page}", "a=%E9", {"Content-Type": f"{FORM['Content-Type']}; charset=utf-16"})
    both.same("GET", f"/{page}?a=%E9")
    both.same("GET", f"/{page}?a=%C3%A9")


CODINGS = [
    *(None, "", "gzip", "x-gzip", "gzip;q=0", "identity", "deflate", "*", "gzip;q=0.5, identity", "identity;q=0"),
    *("br, identity;q=0", "deflate, gzip;q=1.0, *;q=0.5"),
]


@pytest.mark.slow
@pytest.mark.parametrize("page", ["zipped", "zipped_empty", "zipped_error", "zipped_stream"])
def test_gzip(both: Pair, page: str) -> None:
    for value in CODINGS:
        # http.client says "identity" unless told otherwise
        both.same("GET", f"/{page}", headers={} if value is None else {"Accept-Encoding": value})


@pytest.mark.parametrize("kind", ["application/atom+xml", "text/csv", "image/png", "text/csv;charset=utf-8"])
def test_gzip_of_types(both: Pair, kind: str) -> None:
    seen = both.same("GET", f"/zipped_types?kind={kind.replace('+', '%2B')}", headers={"Accept-Encoding": "gzip"})
    assert ("content-encoding" in seen.fields) == (kind != "image/png")


def test_gzip_compresses(both: Pair) -> None:
    seen = both.same("GET", "/zipped", headers={"Accept-Encoding": "gzip"})
    assert len(seen.body) < 100
    assert gzip.decompress(seen.body) == b"x" * 2000


def test_flatten(both: Pair) -> None:
    assert both.same("GET", "/flat").text == "abc"


@pytest.mark.slow
@pytest.mark.parametrize("page", ["tagged", "own_tag", "no_tag", "tagged_error", "tagged_zipped"])
def test_etags(both: Pair, page: str) -> None:
    etag = both.same("GET", f"/{page}").fields.get("etag", '"none"')
    for name in ("If-None-Match", "If-Match"):
        for value in (etag, '"v"', "*", '"zz"', f'"zz", {etag}', f"W/{etag}", "zz"):
            for method in ("GET", "HEAD", "POST"):
                # the message of a 412 lists the tags, in no order on CherryPy
                ignored = ["body"] if "," in value else []
                both.same(method, f"/{page}", "" if method == "POST" else None, {name: value}, ignore=ignored)


def test_etags_answer_304_and_412(both: Pair) -> None:
    assert both.same("GET", "/own_tag", headers={"If-None-Match": '"v"'}).status == 304
    assert both.same("GET", "/own_tag", headers={"If-Match": '"w"'}).status == 412


@pytest.mark.parametrize("page", ["expires", "expired", "expired_forced", "expires_tagged"])
def test_expires(both: Pair, page: str) -> None:
    both.same("GET", f"/{page}")
    both.same("GET", f"/{page}", version="1.0")


@pytest.mark.parametrize("page", ["kept", "kept_varied", "kept_error", "not_stored", "pragma", "kept_tagged"])
def test_caching(both: Pair, page: str) -> None:
    for method, headers in (
        ("GET", {}),
        ("GET", {}),
        ("GET", {"X-V": "1"}),
        ("GET", {"X-V": "1"}),
        ("HEAD", {}),
        ("GET", {"Pragma": "no-cache"}),
        ("GET", {"Cache-Control": "max-age=100"}),
        ("GET", {"Cache-Control": "max-age=x"}),
        ("GET", {"Cache-Control": "max-age"}),
        ("POST", {}),
        ("GET", {}),
        ("PUT", {}),
        ("GET", {"Accept-Encoding": "gzip"}),
        ("GET", {"Accept-Encoding": "gzip"}),
    ):
        both.same(method, f"/{page}", "" if method in ("POST", "PUT") else None, headers, ignore=["age"])


def test_caching_is_by_url_and_query(both: Pair) -> None:
    first = both.same("GET", "/kept?a=1", ignore=["age"]).text
    assert both.same("GET", "/kept?a=1", ignore=["age"]).text == first
    assert both.same("GET", "/kept?a=2", ignore=["age"]).text != first


def test_caching_holds_on_all_workers(both: Pair) -> None:
    answers = {both.same("GET", "/kept?all=1", ignore=["age"]).text for _ in range(12)}
    assert len(answers) == 1


def test_what_is_kept_has_an_age_and_can_be_304(both: Pair) -> None:
    both.same("GET", "/kept_dated", ignore=["age"])
    seen = both.same("GET", "/kept_dated", ignore=["age"])
    assert int(seen.fields["age"]) >= 0
    date = {"If-Modified-Since": seen.fields["last-modified"]}
    assert both.same("GET", "/kept_dated", headers=date, ignore=["age"]).status == 304
    etag = {"If-None-Match": both.same("GET", "/kept_tagged", ignore=["age"]).fields["etag"]}
    assert both.same("GET", "/kept_tagged", headers=etag, ignore=["age"]).status == 304


@pytest.mark.slow
def test_an_answer_that_is_too_old_for_the_client_is_made_anew(both: Pair) -> None:
    first = both.same("GET", "/kept?old=1", ignore=["age"]).text
    time.sleep(1.1)
    assert both.same("GET", "/kept?old=1", headers={"Cache-Control": "max-age=0"}, ignore=["age"]).text != first


def test_what_is_for_one_client_is_not_kept_for_others(both: Pair) -> None:
    get = both.webpy.server.get
    etag = get("/tagged_zipped").headers["ETag"]
    assert get("/tagged_kept", headers={"If-None-Match": etag}).status == 304
    assert get("/tagged_kept").status == 200
    authorized = {"Authorization": "Basic YTpi"}
    assert get("/kept_for", headers=authorized).body != get("/kept_for").body
    first = get("/kept_for?status=201", headers=authorized).body
    assert get("/kept_for?status=201").body == first
    assert get("/kept_for?status=503").body != get("/kept_for?status=503").body
