"""Answers with and without a type of the handler's own, from handlers and hosts."""

import http.server
import io

import webpy as web
import webpy.json
import webpy.negotiation
import webpy.page
import webpy.stdlib.handler
import webpy.wsgi


def handler(body, kind=None):
    def do_get(self):
        if kind is not None:
            self.response.headers.set("Content-Type", kind)
        if self.request.query == "fields":
            self.response.headers.set("X-One", "1")
        return 200, body() if callable(body) else body

    return type("Made", (web.HTTPHandler,), {"do_get": do_get})


class Raises(web.HTTPHandler):
    def do_get(self):
        raise ValueError


class Refuses(web.HTTPHandler):
    def do_get(self):
        raise web.HTTPError(403, {"a": 1})


class JSON(webpy.json.JSONHandler):
    def do_get(self):
        return 200, {}


class Page(webpy.page.PageHandler):
    page_template = "<p>"


class Choice(webpy.negotiation.AcceptMixIn):
    def do_get(self):
        return 200, self.accept("text/html")


class Old(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>")


def bare(environ, start_response):
    start_response("200 OK", [("X-One", "1")])
    return [b"<html>"] if not environ["QUERY_STRING"] else iter([b"<", b"html>"])


routes = {
    r"/text(?:\?.*)?": handler("<html>"),
    r"/bytes(?:\?.*)?": handler(b"<html>"),
    r"/stream(?:\?.*)?": handler(lambda: io.BytesIO(b"<html>")),
    r"/pieces(?:\?.*)?": handler(lambda: iter([b"<html>"])),
    r"/file(?:\?.*)?": handler(lambda: open(__file__, "rb")),
    r"/empty(?:\?.*)?": handler(None),
    r"/html": handler(b"<html>", "text/html"),
    r"/htmltext": handler("<html>", "text/html"),
    r"/raises": Raises,
    r"/refuses": Refuses,
    r"/json": JSON,
    r"/page": Page,
    r"/choice": Choice,
    "/old": next(iter(webpy.stdlib.handler.new(Old).values())),
    **webpy.wsgi.new(bare, "/wsgi"),
}
