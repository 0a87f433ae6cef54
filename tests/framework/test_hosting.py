"""Mix-ins before hosts, by `handler=`: what each `new` takes, what applications are told, and who is asked first."""

from __future__ import annotations

import base64
import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import webpy.cgi
import webpy.file
import webpy.objects
import webpy.stdlib
import webpy.wsgi
from tests.heads import request_of
from tests.server import Answer, Server
from webpy import HTTPError, HTTPHandler
from webpy.auth import BasicAuthMixIn
from webpy.caching import CachingMixIn
from webpy.file import ModifyPathHandler, PathHandler
from webpy.form import FormHandler
from webpy.json import JSONHandler
from webpy.query import QueryHandler

APP = """
import os
from http.server import BaseHTTPRequestHandler

import webpy
from webpy import auth, cookies, file, form, objects, redirect, session, stdlib, wsgi


class Login(auth.BasicAuthMixIn):
    auth_realm = 'hosts'

    def login(self, user, password):
        return user if password == user[::-1] else None


def app(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain'), ('WWW-Authenticate', 'Own')])
    names = ('REMOTE_USER', 'AUTH_TYPE', 'SCRIPT_NAME', 'PATH_INFO', 'HTTP_AUTHORIZATION')
    return [' '.join(environ.get(name, '-') for name in names[:4]).encode()]


class Old(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.path.encode())

    def do_PUT(self):
        raise AssertionError('its body was asked for')

    def handle_expect_100(self):
        self.send_error(417)
        return False


class Pages:
    @objects.expose
    def default(self, *path):
        return 'page ' + '/'.join(path)


tree = objects.Tree()
tree.mount(Pages(), '')
tree.graft(app, '/grafted')
WSGI = type('WSGI', (Login, wsgi.WSGIHandler), {})
STDLIB = type('STDLIB', (Login, stdlib.StdlibHandler), {})
OBJECTS = type('OBJECTS', (Login, objects.ObjectsHandler), {})
FILES = type('FILES', (Login, file.ModifyPathHandler), {})


class Setting(cookies.CookieMixIn):
    def do_get(self):
        self.set_cookie('a', '1')
        self.set_cookie('b', '2')
        self.response.headers.set('Content-Type', 'text/csv')
        self.response.headers.set('ETag', '"x"')
        match self.groups[0]:
            case 'redirect':
                raise redirect.to('/elsewhere')
            case 'error':
                raise webpy.HTTPError(409, 'meant', {'Set-Cookie': 'b=3; Path=/'})
            case 'fault':
                raise KeyError('not meant')
            case 'unsendable':
                return 200, 17
        return 200, 'fine'

    def check_continue(self):
        self.set_cookie('asked', '1')
        raise webpy.HTTPError(413)

    do_put = do_get


class Hooked(session.SessionMixIn, Setting):
    def do_get(self):
        self.session['n'] = 1
        return super().do_get()


class Streamed(Setting):
    stream = True
    do_post = Setting.do_get


routes = {
    **wsgi.new(app, '/wsgi', handler=WSGI),
    **wsgi.new(app, '/bare'),
    **stdlib.new(Old, '/old', handler=STDLIB),
    **file.new('files', '/files', modify=True, handler=FILES),
    '/set/(.*)': Setting,
    '/hooked/(.*)': Hooked,
    '/streamed/(.*)': Streamed,
    **objects.new(tree, handler=OBJECTS),
}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hosting")
    (folder / "files").mkdir()
    (folder / "app.py").write_text(APP)
    server = Server("app.py", "--workers", "1", cwd=folder)
    server.wait_until_listening()
    yield server
    server.kill()


def who(name: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{name[::-1]}".encode()).decode()}


def ask(server: Server, path: str, fields: dict[str, str]) -> Answer:
    """What is answered to a client that waits with its body."""
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    with server.connect() as sock:
        start = f"PUT {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n"
        sock.sendall(f"{start}Content-Type: text/plain\r\n{head}\r\n".encode())
        got = http.client.HTTPResponse(sock, method="PUT")
        got.begin()
        return Answer(got.status, got.reason, got.headers, got.read())


def cookies(answer: Answer) -> dict[str, str]:
    fields = answer.headers.get_all("Set-Cookie", [])
    found = dict(field.partition(";")[0].split("=") for field in fields)
    assert len(found) == len(fields)
    return found


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/wsgi/a", "ann Basic /wsgi /a"),
        ("/old/a?b", "/old/a?b"),
        ("/old", "/old"),
        ("/grafted/a", "ann Basic /grafted /a"),
        ("/beside", "page beside"),
    ],
)
def test_a_login_stands_before_each(server: Server, path: str, text: str) -> None:
    for _ in range(2):
        refused = server.get(path)
        assert refused.status == 401 and refused.headers.get_all("WWW-Authenticate") == [
            'Basic realm="hosts", charset="UTF-8"'
        ]
        let_in = server.get(path, headers=who("ann"))
        assert (let_in.status, let_in.body.decode()) == (200, text)
        other = server.get(path, headers=who("bob"))
        assert other.body.decode() == text.replace("ann", "bob")


def test_a_bare_application_has_no_user(server: Server) -> None:
    for _ in range(2):
        assert server.get("/bare/a", headers=who("ann")).body == b"- - /bare /a"


def test_nobody_is_asked_for_a_body_before_he_is_known(server: Server) -> None:
    for path in ("/files/a.txt", "/files/none/a.txt", "/old/a"):
        assert ask(server, path, {}).status == 401
    assert ask(server, "/files/none/a.txt", who("ann")).status == 409
    assert ask(server, "/old/a", who("ann")).status == 417


class Login(BasicAuthMixIn):
    def login(self, user: str, password: str) -> str:
        return user


@pytest.mark.parametrize("base", [QueryHandler, JSONHandler])
@pytest.mark.parametrize("order", ["login first", "login last"])
def test_a_login_is_asked_first_whatever_stands_before_it(base: type, order: str) -> None:
    bases: tuple[type, ...] = (Login, base) if order == "login first" else (base, Login)
    request = request_of("PUT", "/?a=%ff", "Content-Type: nonsense", "Content-Length: 1")
    made: Any = type("Made", bases, {"do_put": lambda self: (204, None)})
    with pytest.raises(HTTPError) as caught:
        made(request, ()).check_continue()
    assert caught.value.status == 401


def test_a_login_is_asked_first_whoever_overrides_check_continue() -> None:
    asked = []

    class Asks(HTTPHandler):
        def check_continue(self) -> bool:
            asked.append(self)
            return True

    class Own(Login):
        def check_continue(self) -> bool:
            asked.append(self)
            return True

    before: Any = type("Before", (Asks, Login), {})
    for made in (before, Own, type("Sub", (before,), {}), type("Between", (Asks, Own), {})):
        with pytest.raises(HTTPError) as caught:
            made(request_of("PUT", "/", "Content-Length: 1"), ()).check_continue()
        assert caught.value.status == 401 and not asked
        let_in = made(request_of("PUT", "/", "Content-Length: 1", f"Authorization: {who('ann')['Authorization']}"), ())
        assert let_in.check_continue() is True and asked == [let_in]
        asked.clear()


@pytest.mark.parametrize("base", [FormHandler, ModifyPathHandler, webpy.cgi.CGIHandler, webpy.stdlib.StdlibHandler])
def test_what_stands_behind_is_asked_last_and_may_refuse(base: type) -> None:
    class Refusing(HTTPHandler):
        def check_continue(self) -> bool:
            return False

    request = request_of("PUT", "/", "Content-Type: nonsense", "Content-Length: 1")
    made: Any = type("Made", (base, Refusing), {"do_put": lambda self: (204, None), "kind": None})
    assert made(request, ()).check_continue() is False


class TestCookiesAndErrors:
    @pytest.mark.parametrize("version", ["/set/", "/hooked/"])
    def test_what_was_meant_takes_them_along(self, server: Server, version: str) -> None:
        more = {"session"} if version == "/hooked/" else set()
        gone = server.get(version + "redirect")
        assert (gone.status, gone.headers["Location"]) == (303, "/elsewhere")
        assert cookies(gone).keys() == {"a", "b"} | more
        error = server.get(version + "error")
        assert error.status == 409 and error.headers["ETag"] is None and "csv" not in str(error.headers)
        assert cookies(error)["b"] == "3" and cookies(error).keys() == {"a", "b"} | more

    @pytest.mark.parametrize("path", ["/set/fault", "/hooked/fault", "/set/unsendable"])
    def test_what_was_not_meant_takes_nothing(self, server: Server, path: str) -> None:
        for _ in range(2):
            answer = server.get(path)
            assert answer.status == 500 and not cookies(answer) and answer.headers["ETag"] is None
            assert not cookies(server.get("/set/fault"))  # nor those of the one before

    def test_streamed_and_asked(self, server: Server) -> None:
        assert cookies(server.request("POST", "/streamed/error", b"x")).keys() == {"a", "b"}
        assert not cookies(server.request("POST", "/streamed/fault", b"x"))
        asked = ask(server, "/set/fine", {})
        assert (asked.status, cookies(asked)) == (413, {"asked": "1"})

    def test_a_path_without_a_route_has_none(self, server: Server) -> None:
        server.get("/set/error")
        assert not cookies(server.get("/nowhere", headers=who("ann")))


@pytest.mark.parametrize("length", ["", "4", "5"])
def test_answers_that_say_the_same_share_nothing_that_can_be_changed(length: str) -> None:
    """What `start_response` was told is remembered, also where no mix-in is."""
    fields = [("Content-Type", "text/plain"), *([("Content-Length", length)] if length else [])]

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", fields)
        return [b"body"]

    (made,) = webpy.wsgi.new(app).values()
    handlers: list[Any] = []
    for change in ("add", "set", "put", "remove", "none"):
        handler: Any = made(request_of(), ())
        handler.respond()
        told = ["Content-Type", "Content-Length"] if length == "5" else ["Content-Type"]  # 4 is what is sent anyway
        assert [name for name, _ in handler.response.headers] == told
        assert all(handler.response is not other.response for other in handlers)
        handlers.append(handler)
        match change:
            case "add" | "set":
                getattr(handler.response.headers, change)("Set-Cookie", "session=secret")
            case "put":
                handler.response.headers.set("Content-Type", "text/html")
            case "remove":
                handler.response.headers.remove("Content-Type")


@pytest.mark.parametrize(
    "new",
    [
        lambda handler: webpy.wsgi.new(lambda environ, start_response: [], handler=handler),
        lambda handler: webpy.stdlib.new(webpy.stdlib.BaseHTTPRequestHandler, handler=handler),
        lambda handler: webpy.objects.new(object(), handler=handler),
        lambda handler: webpy.cgi.new("/", handler=handler),
    ],
)
@pytest.mark.parametrize("handler", [HTTPHandler, BasicAuthMixIn, 1, "WSGIHandler"])
def test_another_handler_is_refused(new: Any, handler: Any) -> None:
    with pytest.raises(TypeError, match=r"webpy\.\w+\.new: got handler .*, wanted a subclass of \w+Handler"):
        new(handler)


def test_files_keep_what_their_handler_says(tmp_path: Path) -> None:
    """What `new` is not asked for is the handler's, or that of a mix-in before it."""
    own = {"file_dir_index": True, "file_index_files": ("a.html",), "file_charset": None}
    mine = type("Mine", (CachingMixIn, PathHandler), own)
    (made,) = webpy.file.new(tmp_path, handler=mine).values()
    assert {name: getattr(made, name) for name in own} == own and made.cache_control == "no-cache"
    (made,) = webpy.file.new(tmp_path, handler=mine, cache_control="no-store", index_files="b.html").values()
    assert (made.cache_control, made.file_index_files, mine.tree is made.tree) == ("no-store", ("b.html",), False)


@pytest.mark.parametrize("remote", ["old", "/old/", "//", "/a?b", 1])
def test_places_of_the_standard_librarys(remote: Any) -> None:
    with pytest.raises(ValueError, match=r"remote: got .*, wanted a path such as '/old'"):
        webpy.stdlib.new(webpy.stdlib.BaseHTTPRequestHandler, remote)
    with pytest.raises(TypeError, match=r"webpy\.stdlib\.new: got 'x', wanted a subclass of BaseHTTPRequestHandler"):
        webpy.stdlib.new("x")  # type: ignore[arg-type]
