"""Which page answers a path, with which arguments, and which path has none: the same on CherryPy and on webpy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ..sidebyside import Pair, multipart

SCRIPT = """
import json

import cherrypy


def said(*args, **kwargs):
    request = cherrypy.request
    return json.dumps({
        "args": args, "kwargs": kwargs, "path": request.path_info, "script": request.script_name,
        "query": request.query_string, "index": request.is_index, "method": request.method,
        "marks": [request.config.get("mark"), request.config.get("mark2")],
    }, sort_keys=True)


class Leaf:
    exposed = True
    _cp_config = {"mark": "leaf"}

    def __call__(self, *args, **kwargs):
        return said("leaf", *args, **kwargs)


class Below:
    _cp_config = {"mark2": "below"}

    @cherrypy.expose
    def index(self, **kwargs):
        return said("below.index", **kwargs)

    @cherrypy.expose
    def one(self, a, b="two"):
        return said("below.one", a, b)

    @cherrypy.expose
    def only_keyword(self, *, key):
        return said("only_keyword", key)

    @cherrypy.expose
    @cherrypy.config(mark="raised")
    def typeerror(self):
        return len(3)

    def hidden(self):
        return "hidden"

    leaf = Leaf()


class Defaulted:
    @cherrypy.expose
    def default(self, first, *rest, **kwargs):
        return said("default", first, *rest, **kwargs)

    @cherrypy.expose
    def known(self, *args):
        return said("known", *args)


class Band:
    @cherrypy.expose
    def index(self, name):
        return said("band", name)


@cherrypy.popargs("name", handler=Band())
class Bands:
    @cherrypy.expose
    def index(self):
        return said("bands")


@cherrypy.popargs("year", "month")
class Blog:
    @cherrypy.expose
    def index(self, year=None, month=None):
        return said("blog", year, month)

    @cherrypy.expose
    def archive(self, **kwargs):
        return said("archive", **kwargs)


class Vpath:
    def _cp_dispatch(self, vpath):
        if vpath[0] == "grow":
            vpath.append("more")
            return self
        if vpath[0] == "keep":
            return Leaf()
        cherrypy.request.params["id"] = vpath.pop(0)
        if len(vpath) > 1:
            cherrypy.request.params["sub"] = vpath.pop(0)
        return self

    @cherrypy.expose
    def index(self, **kwargs):
        return said("vpath", **kwargs)

    @cherrypy.expose
    def page(self, **kwargs):
        return said("vpath.page", **kwargs)


@cherrypy.expose
class Resource:
    def GET(self, *args, **kwargs):
        return said("GET", *args, **kwargs)

    @cherrypy.config(mark="post")
    def POST(self, **kwargs):
        return said("POST", **kwargs)

    def lower(self):
        return "lower"


@cherrypy.expose
class Writable:
    def PUT(self, name):
        return said("PUT", name)

    def HEAD(self):
        cherrypy.response.headers["X-Head"] = "own"
        return ""


class Rest:
    exposed = True
    resource = Resource()
    writable = Writable()


class Root:
    below = Below()
    defaulted = Defaulted()
    bands = Bands()
    blog = Blog()
    vpath = Vpath()
    rest = Rest()
    hosted = Defaulted()

    @cherrypy.expose
    def index(self, *args, **kwargs):
        return said("root", *args, **kwargs)

    @cherrypy.expose(["list", "all.items"])
    def items(self):
        return said("items")

    @cherrypy.expose
    def a_b(self):
        return said("a_b")

    @cherrypy.expose
    def pair(self, a, b=None):
        return said(a, b)

    @cherrypy.expose
    def upload(self, file, **kwargs):
        return said(file.filename, str(file.content_type.value), file.file.read().decode(), **kwargs)

    @cherrypy.expose
    def raw(self):
        body = cherrypy.request.body
        return said(body.read().decode(), str(body.content_type.value), body.length)

    @cherrypy.expose
    def lines(self):
        return said([line.decode() for line in cherrypy.request.body.fp] if False else
                    cherrypy.request.body.readline().decode(), cherrypy.request.body.read().decode())

    @cherrypy.expose
    def urls(self, *args):
        url = cherrypy.url
        return json.dumps([url(), url("x"), url("/x"), url("../x"), url("/a/./b/../c"), url("x", qs={"a": "1 2"}),
                           url("x", qs="q"), url("/x", script_name="/s"), url("/x", base="http://other"),
                           url("/urls/y/z", relative=True), url("/x", relative="server")])

    @cherrypy.expose
    def attributes(self, **kwargs):
        request = cherrypy.request
        return json.dumps({
            "headers": [request.headers["X-Thing"], request.headers.get("x-thing"), "X-THING" in request.headers],
            "cookie": {name: morsel.value for name, morsel in request.cookie.items()},
            "line": request.request_line, "protocol": list(request.protocol), "scheme": request.scheme,
            "remote": request.remote.ip, "login": request.login, "app": request.app.script_name,
            "accept": [str(element) for element in request.headers.elements("Accept")],
            "params": request.params, "stage": request.stage,
        })

    text = "no page"


class Other:
    @cherrypy.expose
    def index(self):
        return said("other")

    @cherrypy.expose
    def where(self):
        return json.dumps([cherrypy.url("/x"), cherrypy.url("x"), cherrypy.request.app.script_name,
                           cherrypy.tree.script_name()])


def grafted(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [repr((environ["SCRIPT_NAME"], environ["PATH_INFO"], environ["QUERY_STRING"])).encode()]


conf = {
    "/": {"mark": "root conf"},
    "/below": {"mark": "below conf"},
    "/below/one": {"mark": "one conf"},
    "/rest": {"request.dispatch": cherrypy.dispatch.MethodDispatcher()},
    "/hosted": {"request.dispatch": cherrypy.dispatch.VirtualHost(**{"one.example": "/below", "two.example": "/x"})},
}
cherrypy.tree.mount(Other(), "/other/app", {"/": {"mark": "other"}})
cherrypy.tree.graft(grafted, "/grafted")
cherrypy.quickstart(Root(), "/", conf)
"""
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PATHS = """
    / /?a=1 /?a=1&a=2&b= /?a /?%61=%C3%A9 /?a=1;b=2 /?12,34 /?a=+%2B /x /x/y /index /index/ /index/x
    /items /list /all.items /all_items /a-b /a.b /a_b /a%20b /pair /pair?a=1 /pair?b=1 /pair?a=1&c=2 /pair/1 /pair/1/2
    /pair/1/2/3 /pair/1?a=2 /pair/1?b=2 /pair?a=1&b=2&c=3 /pair/%2F /pair/a%2fb /pair/%C3%A9 /pair/%E9 /pair/a+b
    /text /upload /favicon.png /urls /urls/ /urls/a/b /below /below/ /below?x=1 /below/one /below/one/1 /below/one/1/2
    /below/one/1/2/3 /below/one?a=1 /below/hidden /below/only_keyword /below/only_keyword?key=1 /below/leaf
    /below/leaf/1?x=2 /below/leaf/ /below/typeerror /below/none /below/_cp_config /defaulted /defaulted/ /defaulted/1
    /defaulted/1/2?x=3 /defaulted/known /defaulted/known/1 /defaulted/known/?x=1 /defaulted?first=1 /bands /bands/
    /bands/abba /bands/abba/ /bands/abba/x /blog /blog/ /blog/2026 /blog/2026/11 /blog/2026/11/archive /blog/archive
    /blog/2026/11/none /vpath /vpath/ /vpath/7 /vpath/7/x/page /vpath/7/page /vpath/keep /vpath/keep/x /vpath/grow/x
    /rest /rest/ /rest/resource /rest/resource/ /rest/resource/1?x=2 /rest/writable /rest/none /hosted /hosted/one/1
    /other /other/app /other/app/ /other/app/where /other/app/none /below///one//1
    /__class__ /below/__init__ /%00 /..%2f
    """


@pytest.fixture(scope="module")
def both(pair: Callable[..., Pair]) -> Pair:
    return pair(SCRIPT)


@pytest.mark.parametrize("path", PATHS.split())
def test_paths(both: Pair, path: str) -> None:
    both.same("GET", path)


@pytest.mark.parametrize("path", ["/./pair/1", "/pair/../pair/1", "/x/%2e%2E//%70air/1"])
def test_paths_are_seen_in_normal_form(both: Pair, path: str) -> None:
    """CherryPy sees them as they were sent."""
    assert both.webpy.server.get(path).body == both.same("GET", "/pair/1").body


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "QUERY"])
@pytest.mark.parametrize("path", ["/rest/resource", "/rest/writable?name=x", "/rest/none", "/pair/1"])
def test_methods(both: Pair, method: str, path: str) -> None:
    both.same(method, path, b"")


@pytest.mark.parametrize(
    "path,body",
    [
        ("/", b"a=1&b=2"),
        ("/?a=0", b"a=1&a=2"),
        ("/pair", b"a=1"),
        ("/pair", b"c=1"),
        ("/pair", b"a=1&c=1"),
        ("/pair?c=2", b"a=1&d=1"),
        ("/pair/1", b"a=1"),
        ("/pair?a=1", b"a=2"),
        ("/", b"a=%C3%A9&b=%ff"),
        ("/", b"a;b=1&&=2"),
        ("/", b""),
    ],
)
def test_forms(both: Pair, path: str, body: bytes) -> None:
    both.same("POST", path, body, FORM)


def test_other_bodies(both: Pair) -> None:
    both.same("POST", "/", b"a=1", {"Content-Type": "application/x-www-form-urlencoded; charset=latin-1"})
    both.same("POST", "/", b"a=%e9", {"Content-Type": "application/x-www-form-urlencoded; charset=latin-1"})
    both.same("POST", "/raw", b"some text", {"Content-Type": "text/plain"})
    both.same("POST", "/raw", b"some text")
    both.same("PUT", "/raw", b"{}", {"Content-Type": "application/json; charset=utf-8"})
    both.same("POST", "/lines", b"one\ntwo\nthree", {"Content-Type": "text/plain"})
    both.same("DELETE", "/", b"a=1", FORM)  # not among the methods with bodies


def test_uploads(both: Pair) -> None:
    text = "\r\nContent-Type: text/csv"
    body, headers = multipart([("file", f'; filename="a.csv"{text}', b"1,2\r\n3"), ("x", "", "é".encode())])
    assert "a.csv" in both.same("POST", "/upload", body, headers).text
    body, headers = multipart([("x", "", b"1"), ("x", "", b"2"), ("y", "", b"")])
    both.same("POST", "/", body, headers)
    both.same("POST", "/pair", body, headers)
    body, headers = multipart([("file", '; filename=""', b"")])
    both.same("POST", "/upload", body, headers)


def test_wsgi_application_in_the_tree(both: Pair) -> None:
    for path in ("/grafted", "/grafted/", "/grafted/a%20b?c=d"):
        both.same("GET", path, ignore=["content-length"])  # which webpy adds, where the application left it out


def test_virtual_hosts(both: Pair) -> None:
    for host in ("one.example", "two.example", "three.example"):
        both.same("GET", "/one/1", headers={"Host": host})
        both.same("GET", "/hosted/one/1", headers={"X-Forwarded-Host": host})


def test_attributes(both: Pair) -> None:
    headers = {
        "X-Thing": "a thing",
        "Cookie": "a=1; b=two",
        "Accept": "text/html;q=0.3, text/plain, */*;q=0.1",
    }
    both.same("GET", "/attributes?a=1", headers=headers)
    both.same("POST", "/attributes?a=1", b"b=2", headers={**headers, **FORM})
    both.same("GET", "/attributes", headers={**headers, "X-Thing": "=?utf-8?q?f=C3=BCr?="})
    both.same("GET", "/attributes", headers=headers, version="1.0")
