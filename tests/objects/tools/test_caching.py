"""The tools etags, expires and caching: the same on CherryPy and on webpy."""

from __future__ import annotations

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


@pytest.fixture(scope="module")
def both(pair: Callable[..., Pair]) -> Iterator[Pair]:
    yield pair(SCRIPT)


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
