"""The tools encode, decode, gzip and flatten: the same on CherryPy and on webpy."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator

import pytest

from ..sidebyside import Pair

SCRIPT = '''
import cherrypy

tools, request, response = cherrypy.tools, cherrypy.request, cherrypy.response


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
