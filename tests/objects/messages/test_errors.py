"""Errors, redirects, hooks and tools of the application: the same on CherryPy and on webpy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ..sidebyside import Pair

SCRIPT = """
import json
import os

import cherrypy
from cherrypy import HTTPError, HTTPRedirect, NotFound

HERE = os.path.dirname(os.path.abspath(__file__))
done = []


def page_of_404(status, message, traceback, version):
    cherrypy.response.headers["Content-Type"] = "text/plain"
    return "404: %s / %s / %s" % (status, message, bool(traceback))


def page_of_pieces(status, message, traceback, version):
    yield "piece "
    yield message.encode()


def failing_page(**kwargs):
    raise KeyError("page")


def bad_page(**kwargs):
    return 3


def answer_in_its_place():
    cherrypy.response.status = 503
    cherrypy.response.headers["X-Handled"] = "yes"
    cherrypy.response.body = [b"handled"]


def mark(name, value="plain"):
    marks = getattr(cherrypy.request, "marks", [])
    cherrypy.request.marks = marks + ["%s=%s" % (name, value)]
    cherrypy.response.headers["X-Marks"] = " ".join(cherrypy.request.marks)


def fail_at(point=None):
    raise HTTPError(418, "at a hook")


def answer_first(path="/first", text="answered by a tool"):
    if cherrypy.request.path_info.endswith(path):
        cherrypy.response.body = text.encode()
        return True
    return False


def around(next_handler, *args, **kwargs):
    return b"<" + next_handler(*args, **kwargs).encode() + b">"


def on_error(note="none"):
    cherrypy.response.status = 500
    cherrypy.response.body = ("error tool " + note).encode()


class Numbered(cherrypy.Tool):
    def __init__(self):
        super().__init__("before_handler", mark, "numbered", priority=10)

    def _setup(self):
        super()._setup()
        cherrypy.request.hooks.attach("before_finalize", mark, name="setup", value="late")


cherrypy.tools.mark = cherrypy.Tool("before_handler", mark)
cherrypy.tools.early = cherrypy.Tool("before_handler", mark, priority=20)
cherrypy.tools.resource = cherrypy.Tool("on_start_resource", mark)
cherrypy.tools.numbered = Numbered()
cherrypy.tools.failing = cherrypy.Tool("before_finalize", fail_at)
cherrypy.tools.first = cherrypy._cptools.HandlerTool(answer_first)
cherrypy.tools.around = cherrypy._cptools.HandlerWrapperTool(around)
cherrypy.tools.on_error = cherrypy._cptools.ErrorTool(on_error)


@cherrypy.tools.register("before_finalize", priority=60)
def registered(word="registered"):
    cherrypy.response.headers["X-Registered"] = word


mine = cherrypy._cptools.Toolbox("mine")
mine.stamp = cherrypy.Tool("before_finalize", lambda text="stamp": cherrypy.response.headers.update({"X-Stamp": text}))


class Tools:
    @cherrypy.expose
    @cherrypy.tools.mark(name="one")
    @cherrypy.tools.early(name="early", value="first")
    def ordered(self):
        return "ordered"

    @cherrypy.expose
    @cherrypy.tools.mark(name="late", priority=5)
    @cherrypy.tools.early(name="early")
    def prioritised(self):
        return "prioritised"

    @cherrypy.expose
    @cherrypy.tools.numbered(name="numbered")
    @cherrypy.tools.registered(word="a word")
    def numbered(self):
        return "numbered"

    @cherrypy.expose
    @cherrypy.tools.failing()
    def failing(self):
        return "never seen"

    @cherrypy.expose
    @cherrypy.tools.first(text="by decorator")
    def first(self):
        raise Exception("is not called")

    direct = cherrypy.tools.first.handler(path="/direct")
    indirect = cherrypy.tools.first.handler(path="/other")

    @cherrypy.expose
    @cherrypy.tools.around()
    def around(self, word="inner"):
        return word

    @cherrypy.expose
    @cherrypy.tools.on_error(note="a note")
    def on_error(self):
        return 1 // 0

    @cherrypy.expose
    @cherrypy.config(**{"tools.mark.on": True, "tools.mark.name": "configured"})
    def configured(self):
        return "configured"

    @cherrypy.expose
    @cherrypy.config(**{"mine.stamp.on": True, "mine.stamp.text": "mine"})
    def stamped(self):
        return "stamped"

    @cherrypy.expose
    @cherrypy.config(**{"hooks.before_handler": lambda: mark("hook"), "hooks.before_handler.2": lambda: mark("second")})
    def hooked(self):
        return "hooked"

    @cherrypy.expose
    def done(self):
        return json.dumps(cherrypy.request.hooks["before_handler"] != [])


class Root:
    tools = Tools()

    @cherrypy.expose
    def error(self, status="500", message=None):
        raise HTTPError(int(status) if status.isdigit() else status, message)

    @cherrypy.expose
    def redirect(self, to="/there", status=None):
        raise HTTPRedirect(to.split(",") if "," in to else to, status and int(status))

    @cherrypy.expose
    def notfound(self, path=None):
        raise NotFound(path)

    @cherrypy.expose
    def internal(self, to="/plain"):
        raise cherrypy.InternalRedirect(to)

    @cherrypy.expose
    def loop(self):
        raise cherrypy.InternalRedirect("/loop")

    @cherrypy.expose
    def plain(self, **kwargs):
        prev = cherrypy.request.prev
        return "plain %r %s %s" % (kwargs, cherrypy.request.method, prev and prev.path_info)

    @cherrypy.expose
    def crash(self):
        cherrypy.response.headers["ETag"] = "x"
        cherrypy.response.headers["X-Kept"] = "kept"
        return 1 // 0

    @cherrypy.expose
    @cherrypy.config(**{"request.show_tracebacks": True})
    def shown(self):
        return 1 // 0

    @cherrypy.expose
    @cherrypy.config(**{"error_page.404": page_of_404, "error_page.default": page_of_pieces})
    def paged(self, status="404"):
        raise HTTPError(int(status), "a <message>")

    @cherrypy.expose
    @cherrypy.config(**{"error_page.404": failing_page, "error_page.403": bad_page, "error_page.401": "/no/such/file",
                        "error_page.400": os.path.join(HERE, "400.html")})
    def badpaged(self, status="404"):
        raise HTTPError(int(status))

    @cherrypy.expose
    @cherrypy.config(**{"request.error_response": answer_in_its_place})
    def replaced(self):
        return 1 // 0

    @cherrypy.expose
    @cherrypy.config(**{"request.show_mismatched_params": False})
    def quiet(self, a):
        return a

    @cherrypy.expose
    def status(self, status="201 Made"):
        cherrypy.response.status = int(status) if status.isdigit() else status
        return "status"

    @cherrypy.expose
    def handled(self):
        with HTTPError.handle(ValueError, 409, "translated"):
            return int("x")

    @cherrypy.expose
    def called(self):
        try:
            raise HTTPError(410)
        except HTTPError as error:
            error.set_response()
            return b"%d %s" % (error.code, error.reason.encode())

    @cherrypy.expose
    def body(self, kind="str"):
        return {
            "str": "text é", "bytes": b"bytes", "none": None, "list": [b"a", b"b"], "strings": ["a", "é"],
            "tuple": (b"a", b"b"), "empty": "", "emptylist": [], "int": 3, "dict": {"a": 1}, "object": object,
        }.get(kind, (piece for piece in ("x", "y")))

    @cherrypy.expose
    def generated(self):
        yield "one "
        yield "two"

    @cherrypy.expose
    def broken(self):
        yield "one "
        raise HTTPError(409, "while generating")

    @cherrypy.expose
    @cherrypy.config(**{"response.stream": True})
    def streamed(self):
        for number in range(3):
            yield "%d %s," % (number, cherrypy.request.path_info)

    @cherrypy.expose
    @cherrypy.config(**{"response.headers.X-Configured": "yes", "response.headers.Content-Type": "text/plain"})
    def headers(self):
        headers = cherrypy.response.headers
        headers["x-lower"] = "lower"
        headers["X-Number"] = 3
        headers["X-Text"] = "für"
        headers["X-Wide"] = "☃"
        headers["X-Split"] = "a\\r\\nX-Injected: b"
        return "headers"

    @cherrypy.expose
    def cookies(self):
        cookie = cherrypy.response.cookie
        cookie["a"] = "one"
        cookie["a"]["path"] = "/x"
        cookie["a"]["max-age"] = 3600
        cookie["a"]["httponly"] = True
        cookie["b"] = "two; three"
        return "cookies"

    @cherrypy.expose
    def nocontent(self):
        cherrypy.response.status = 204
        return "nothing"

    @cherrypy.expose
    def notmodified(self):
        raise HTTPRedirect("", 304)

    @cherrypy.expose
    def length(self):
        cherrypy.response.headers["Content-Length"] = 4
        return b"1234"

    @cherrypy.expose
    def unreason(self):
        raise ValueError("é ☃")


app = cherrypy.tree.mount(Root(), "/", {"/": {}})
app.toolboxes["mine"] = mine
cherrypy.engine.start()
cherrypy.engine.block()
"""
FILES = {"400.html": "<h1>%(status)s</h1> %(message)s"}
PATHS = """
    /error /error?status=400 /error?status=403&message=no /error?status=404 /error?status=418&message=%3Cb%3E
    /error?status=503 /error?status=599 /error?status=403+Keep+Out /error?status=200 /error?status=999 /error?status=x
    /redirect /redirect?to=/a/b?c=d /redirect?to=rel /redirect?to=../up /redirect?to=http://other/ /redirect?to=
    /redirect?status=300&to=/a,/b /redirect?status=301 /redirect?status=302 /redirect?status=303 /redirect?status=307
    /redirect?status=308 /redirect?status=305&to=http://proxy/ /redirect?status=306 /redirect?status=200
    /redirect?to=/%3C%22%3E /redirect?to=/%C3%A9 /redirect/ /notfound /notfound?path=/x /crash /shown
    /paged /paged?status=403 /paged?status=500 /badpaged /badpaged?status=403 /badpaged?status=401
    /badpaged?status=400 /replaced /quiet /quiet?a=1&b=2 /status /status?status=202 /status?status=299
    /status?status=600 /status?status=abc /status?status=404 /handled /called /body /body?kind=bytes /body?kind=none
    /body?kind=list /body?kind=strings /body?kind=tuple /body?kind=empty /body?kind=emptylist /body?kind=x
    /generated /broken /streamed /headers /cookies /nocontent /notmodified /length /unreason
    /internal /internal?to=plain /internal?to=/plain?a=b /internal?to=/none /loop
    /tools/ordered /tools/prioritised /tools/numbered /tools/failing /tools/first /tools/direct /tools/indirect
    /tools/around /tools/around?word=x /tools/on_error /tools/configured /tools/stamped /tools/hooked /tools/done
    """


@pytest.fixture(scope="module")
def both(pair: Callable[..., Pair]) -> Pair:
    return pair(SCRIPT, files=FILES)


@pytest.mark.parametrize("path", PATHS.split())
def test_answers(both: Pair, path: str) -> None:
    both.same("GET", path)
    both.same("HEAD", path)


@pytest.mark.parametrize("kind", ["int", "dict", "object"])
def test_bodies_that_are_none(both: Pair, kind: str) -> None:
    both.same("GET", f"/body?kind={kind}")


def test_old_clients(both: Pair) -> None:
    assert both.same("GET", "/redirect", version="1.0").status == 302
    both.same("GET", "/streamed", version="1.0")


def test_posts(both: Pair) -> None:
    both.same("POST", "/redirect", b"")
    both.same("POST", "/internal", b"")
    both.same("POST", "/crash", b"a=1", {"Content-Type": "application/x-www-form-urlencoded"})


def test_no_traceback_is_sent_and_one_is_logged(both: Pair) -> None:
    answer = both.webpy.server.get("/unreason")
    assert answer.status == 500 and b"Traceback" not in answer.body and b"unreason" not in answer.body
    both.webpy.server.wait_for("ValueError: é ☃")
