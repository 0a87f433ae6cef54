"""Everything that the documentation and the docstrings show, as an application with types writes it. `mypy --strict`
reads it (tests/test_typing.py); nobody runs it."""

from __future__ import annotations

import datetime
import io
import logging
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import webpy
import webpy as web
import webpy.auth
import webpy.caching
import webpy.cgi
import webpy.compression
import webpy.conditional
import webpy.cookies
import webpy.cors
import webpy.file
import webpy.form
import webpy.json
import webpy.negotiation
import webpy.page
import webpy.query
import webpy.redirect
import webpy.requestid
import webpy.session
import webpy.stdlib
import webpy.store
import webpy.wsgi
from webpy.framework.response import Body, Result

notes = webpy.store.open()


class Note(web.HTTPHandler):
    atomic = True

    def do_get(self) -> Result:
        note = notes.get(self.groups["name"])
        if note is None:
            raise web.HTTPError(404)
        self.response.headers.set("Content-Type", "text/plain; charset=utf-8")
        return 200, note

    def do_put(self) -> tuple[int, None]:
        notes[self.groups["name"]] = self.request.body
        return 204, None

    def do_post(self) -> tuple[int, str, bytes]:
        return 201, "Made", b"".join([self.request.rfile.read(), self.groups[0].encode()])

    def do_patch(self) -> tuple[int, Iterator[bytes]]:
        return 200, (piece for piece in [b"a", b"b"])

    def do_delete(self) -> tuple[int, io.BytesIO]:
        return 200, io.BytesIO(b"stream")

    def check_continue(self) -> bool:
        return len(self.request.headers) < 50

    def decode(self, body: bytes) -> str:
        return body.decode()

    def encode(self, body: Any) -> Body:
        return str(body)


class Request(web.HTTPHandler):
    stream = True

    def do_get(self) -> Result:
        request = self.request
        host, port = request.client_address
        words: list[str] = [request.method, request.resource, request.path, request.query, request.http_version]
        words += [request.headers.get("Accept") or "", request.scheme, request.host, host, str(port)]
        first: str = self.request.headers["Host"]
        every: list[str] = self.request.headers.getlist("Accept")
        if request.tls is None and not request.client_gone:
            self.response.headers.add("Vary", "Accept")
        return 200, " ".join([*words, first, *every])


class Errors(web.HTTPHandler):
    def do_get(self) -> Result:
        raise web.HTTPError(401, {"error": "who are you?"}, {"WWW-Authenticate": "Any"})

    def do_put(self) -> Result:
        raise web.HTTPError(409, ["a", {"b": 1}])

    def do_post(self) -> Result:
        fields = web.HTTPHeaders()
        fields.set("Retry-After", "1")
        raise web.HTTPError(503, message="later\n", headers=fields, status_message="Too Busy")

    def do_delete(self) -> Result:
        raise web.HTTPError(410, headers={"Link": "</>"})

    def do_patch(self) -> Result:
        raise web.HTTPError(400, b"bytes")


class Sorry(web.HTTPErrorHandler):
    def format(self) -> str:
        return f"{self.error.status}: {self.error.status_message}, sorry.\n"


class Upload(webpy.form.FormHandler):
    form_limits = webpy.form.FormLimits(file_bytes=10 << 20)

    def do_post(self) -> Result:
        form: webpy.form.Form = self.request.body
        photo: webpy.form.File = form.file("photo")
        title: str = form.field("title")
        size: int = form.field("size", int)
        scale: float = form.field("scale", float, 1.0)
        sure: bool | None = form.field("sure", bool, None)
        day: datetime.date = form.field("day", datetime.date.fromisoformat)
        tags = form.getlist("tag")
        return 200, f"{photo['filename']}: {photo['length']} {title} {size} {scale} {sure} {day} {tags} {form['x']}"


class Search(webpy.query.QueryHandler):
    def do_get(self) -> Result:
        word: str = self.query["q"]
        kind: str = self.query.get("kind", "all")
        page: int = self.query.field("page", int, 1)
        id: uuid.UUID = self.query.field("id", uuid.UUID)
        return 200, f"{word} {kind} {page} {id} {self.query.getlist('tag')} {self.query.pairs}"


class JSONNote(webpy.json.JSONHandler):
    json_kind = dict

    def do_put(self) -> tuple[int, dict[str, Any]]:
        note: webpy.json.Object = self.request.body
        title: str = note.field("title", str)
        size: int = note.field("size", int)
        tags: list[Any] = note.field("tags", list, [])
        return 200, {"stored": note, "title": title, "size": size, "tags": tags}

    def do_get(self) -> Result:
        return 200, {"notes": [1, 2]}

    def json_default(self, value: Any) -> Any:
        return str(value)


class Greeting(webpy.page.PageHandler):
    page_directory, page_file = "pages", "greeting.html"

    def page_values(self) -> Mapping[str, Any]:
        return {"name": self.groups["name"]}

    def do_post(self) -> Result:
        return 400, self.render(problem=webpy.page.HTML("<b>no name</b>"))


class ErrorPage(webpy.page.PageErrorHandler):
    page_directory, page_file = "pages", "error.html"


class Private(webpy.auth.BasicAuthHandler):
    auth_realm = "my notes"

    def login(self, user: str, password: str) -> bool:
        return webpy.auth.same(password, "secret")

    def forbidden(self) -> bool:
        return bool(self.auth != "ann")

    def do_get(self) -> Result:
        return 200, f"hello, {self.auth}"


class Users(webpy.auth.BasicAuthMixIn, webpy.form.FormHandler):
    auth_users = webpy.auth.htpasswd("/etc/notes.htpasswd")


class Proof(webpy.auth.DigestAuthHandler):
    auth_realm = "my notes"
    auth_algorithms = ("SHA-256",)
    auth_nonces = webpy.auth.Nonces(notes, lifetime_s=60)

    def password(self, user: str) -> str | None:
        return "secret" if user == "ann" else None


class Token(webpy.auth.TokenAuthHandler):
    def token(self, token: str) -> str | None:
        return "ann" if webpy.auth.same(token, "secret") else None

    def do_get(self) -> Result:
        raise self.unauthorized()


class Own(webpy.auth.AuthHandler):
    def auth_own(self, token: str) -> str | None:
        if not token:
            raise webpy.auth.AuthError("Own", "my notes")
        return token


class Counter(webpy.session.SessionMixIn):
    session_idle_s = 60.0

    def do_get(self) -> Result:
        self.session["visits"] = self.session.get("visits", 0) + 1
        return 200, f"visit {self.session['visits']}\n"

    def do_post(self) -> Result:
        self.session.regenerate()
        self.save_session()
        return 204, None

    def do_delete(self) -> Result:
        self.session.invalidate()
        return 204, None


class Theme(webpy.cookies.CookieMixIn):
    def do_get(self) -> Result:
        return 200, self.cookies.get("theme", "light") + self.cookies["theme"]

    def do_put(self) -> Result:
        self.set_cookie("theme", "dark", max_age=365 * 86400)
        return 204, None

    def do_delete(self) -> Result:
        self.delete_cookie("theme")
        return 204, None


class Report(webpy.compression.CompressionMixIn, webpy.caching.CachingMixIn):
    cache_control = webpy.caching.directives("public", max_age=60)

    def cache_validators(self) -> webpy.conditional.Validators | None:
        return webpy.conditional.Validators('"v7"')

    def do_get(self) -> Result:
        return 200, "expensive"


class Other(webpy.cors.CORSMixIn, webpy.requestid.RequestIDMixIn, webpy.negotiation.AcceptMixIn):
    cors_origins = ("https://app.example.org",)

    def do_get(self) -> Result:
        logging.info("%s: looking", self.request.id)
        if self.accept("application/json", "text/html") == "text/html":
            return 200, "<p>"
        return 200, "{}"


class Moved(webpy.redirect.RedirectMixIn):
    def do_post(self) -> Result:
        return self.redirect("/notes/1")

    def do_get(self) -> Result:
        raise webpy.redirect.to("/login")


class Icon(webpy.file.FileHandler):
    file_path = "favicon.ico"


class Docs(webpy.auth.BasicAuthMixIn, webpy.file.PathHandler):
    cache_control = "private"


class Scripts(webpy.auth.BasicAuthMixIn, webpy.cgi.CGIHandler):
    pass


class Old(webpy.stdlib.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"old")


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def store() -> None:
    hits: int = notes.incr("hits")
    swapped: bool = notes.cas("/a", b"old", None)
    notes.set("/b", b"...", expires_s=60)
    left: float | None = notes.expires_s("/b")
    try:
        print(hits, swapped, left, notes["/b"], len(notes), sorted(notes))
    except webpy.store.StoreError as error:
        raise web.HTTPError(503) from error


ITEM = web.path("/items/{id:int}")


class Item(web.HTTPHandler):
    def do_get(self) -> Result:
        return 200, f"{self.groups['id']} {ITEM.url(id=7)}"


api = {ITEM: Item}
routes = {
    **web.host("api.example.org", api),
    **webpy.query.new(web.path("/search/{name}"), Request),
    web.path("/things/{id:uuid}"): Item,
    r"/notes/(?P<name>\w+)": Note,
    "/upload": Upload,
    "/json": JSONNote,
    "/private": Private,
    **webpy.query.new("/search", Search),
    **webpy.file.new("/srv/docs", "/docs", dir_index=True),
    **webpy.file.new(Path("/srv/inbox"), "/inbox", modify=True, handler=Docs),
    **webpy.cgi.new("cgi-bin", handler=Scripts, timeout_s=300),
    **webpy.wsgi.new(app, "/old"),
    **webpy.redirect.new(r"/old/(.*)", "/notes/{0}"),
}
error_routes = {
    "4..": Sorry,
    "500": ErrorPage,
    **webpy.json.new_error(),
    **webpy.page.new_error(handler=ErrorPage),
}

httpd = web.HTTPServer(("localhost", 8080), routes, error_routes, workers=2, max_body="2M")


def main() -> None:
    with httpd:
        print(httpd.address, httpd.is_running())
        httpd.join(timeout=1.0)
    httpd.start()
    httpd.stop(timeout=5)
    httpd.close()
    raise SystemExit(httpd.run())
