"""`webpy.testing.Client`: what it takes, what it sends, what it gives back, and what it leaves behind."""

from __future__ import annotations

import gc
import io
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import webpy
import webpy.file
import webpy.form
import webpy.json
import webpy.session
from webpy import HTTPError, HTTPErrorHandler, HTTPHandler
from webpy.framework.later import Later
from webpy.store import MemoryStore
from webpy.testing import BrokenAnswer, Client, StartError, TooManyRedirects


class Echo(HTTPHandler):
    """Says what it was asked."""

    def do_get(self) -> Any:
        request = self.request
        self.response.headers.set("Content-Type", "application/json")
        head = {
            "method": request.method,
            "target": request.target,
            "host": request.host,
            "scheme": request.scheme,
            "client": list(request.client_address),
            "server": list(request.server_address),
            "headers": list(request.headers),
            "body": request.body.decode("latin-1"),
        }
        return 200, __import__("json").dumps(head)

    do_post = do_put = do_patch = do_delete = do_get


class Boom(HTTPHandler):
    def do_get(self) -> Any:
        raise LookupError("boom")

    def do_post(self) -> Any:
        raise HTTPError(409, "taken")

    def do_put(self) -> Any:
        return "no status"

    def do_delete(self) -> Any:
        raise SystemExit(3)


class Body(HTTPHandler):
    """Gives bodies that raise, in the beginning and later."""

    def do_get(self) -> Any:
        def pieces() -> Iterator[bytes]:
            if self.request.query != "late":
                raise LookupError("early")
            yield b"some"
            raise LookupError("late")

        return 200, pieces()


@pytest.fixture
def client() -> Iterator[Client]:
    with Client({"/boom": Boom, r"/body(\?.*)?": Body, "/.*|\\*": Echo}) as made:
        yield made


def echoed(answer: Any) -> dict[str, Any]:
    assert answer.status == 200, answer.text
    seen = answer.json()
    seen["fields"] = {name.lower(): value for name, value in seen["headers"]}
    return dict(seen)


# -- what it sends ----------------------------------------------------------------------------------------------------


def test_a_plain_request_sends_no_more_than_it_must(client: Client) -> None:
    seen = echoed(client.get("/a"))
    assert seen["headers"] == [["Host", "localhost"]]
    assert (seen["method"], seen["target"], seen["scheme"]) == ("GET", "/a", "http")
    assert seen["client"] == ["127.0.0.1", 50000] and seen["server"] == ["localhost", 80]


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_methods(client: Client, method: str) -> None:
    assert echoed(getattr(client, method)("/"))["method"] == method.upper()


def test_head_and_options(client: Client) -> None:
    head = client.head("/")
    assert head.body == b"" and int(head.headers["Content-Length"]) > 100
    assert client.options("/").headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
    assert client.options("*").status == 204
    assert client.request("BREW", "/").status == 501


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("/", "/"),
        ("a", "/a"),
        ("?x=1", "/?x=1"),
        ("/a b/ü", "/a%20b/%C3%BC"),
        ("/a%20b%2fc", "/a%20b%2fc"),
        ("/a/../b//c?d=/../", "/a/../b//c?d=/../"),
        ("/a#part", "/a"),
        ("/redirect?to=http://elsewhere/", "/redirect?to=http://elsewhere/"),
        ("http://localhost?x", "/?x"),
    ],
)
def test_the_request_target_is_what_was_asked_for(client: Client, url: str, target: str) -> None:
    assert echoed(client.get(url))["target"] == target


def test_params_are_added_to_the_query(client: Client) -> None:
    assert echoed(client.get("/", params={"q": "a b", "n": [1, 2]}))["target"] == "/?q=a+b&n=1&n=2"
    assert echoed(client.get("/?x=1", params=[("y", "ü")]))["target"] == "/?x=1&y=%C3%BC"
    assert echoed(client.get("/", params="raw=%zz"))["target"] == "/?raw=%zz"


def test_a_whole_url_gives_host_and_scheme(client: Client) -> None:
    seen = echoed(client.get("https://shop.example.org:8443/x"))
    assert (seen["host"], seen["scheme"]) == ("shop.example.org:8443", "https")
    assert seen["server"] == ["shop.example.org", 8443]
    with Client({"/api/x": Echo}, base_url="https://a.example/api", client_address=("192.0.2.7", 7)) as other:
        seen = echoed(other.get("/x"))
        assert (seen["target"], seen["host"], seen["scheme"]) == ("/api/x", "a.example", "https")
        assert seen["client"] == ["192.0.2.7", 7]
        assert echoed(other.get("/x", client_address=("2001:db8::1", 9)))["client"] == ["2001:db8::1", 9]


def test_headers_of_the_client_and_of_a_request() -> None:
    with Client({"/": Echo}, headers={"X-A": "1", "X-B": "1"}) as client:
        seen = echoed(client.get("/", headers=[("x-b", "2"), ("X-C", "3"), ("X-C", "4")]))
        assert seen["headers"] == [["Host", "localhost"], ["X-A", "1"], ["x-b", "2"], ["X-C", "3"], ["X-C", "4"]]
        assert echoed(client.get("/", headers={"Host": "other"}))["host"] == "other"
        with pytest.raises(ValueError, match="without CR, LF and NUL"):
            client.get("/", headers={"X-A": "1\r\nX-B: 2"})


@pytest.mark.parametrize(
    ("options", "body", "content_type"),
    [
        ({"data": b"\x00bytes"}, "\x00bytes", None),
        ({"data": "text ü"}, "text Ã¼", None),
        ({"data": {"a": "1 2", "b": ["x", "y"]}}, "a=1+2&b=x&b=y", "application/x-www-form-urlencoded"),
        ({"data": [("a", "1"), ("a", "2")]}, "a=1&a=2", "application/x-www-form-urlencoded"),
        ({"json": {"a": [1, None]}}, '{"a": [1, null]}', "application/json"),
        ({"json": None}, "null", "application/json"),
        ({"json": 1, "headers": {"Content-Type": "application/x+json"}}, "1", "application/x+json"),
        ({"data": io.BytesIO(b"of a file")}, "of a file", None),
        ({"data": (piece for piece in (b"a", b"", b"bc"))}, "abc", None),
        ({}, "", None),
    ],
)
def test_bodies(client: Client, options: Any, body: str, content_type: str | None) -> None:
    seen = echoed(client.post("/", **options))
    assert seen["body"] == body
    assert seen["fields"].get("content-type") == content_type
    chunked = not isinstance(options.get("data", b""), (bytes, str, dict, list))
    assert seen["fields"].get("transfer-encoding") == ("chunked" if chunked else None)
    assert seen["fields"].get("content-length") == (None if chunked else str(len(body.encode("latin-1"))))


def test_what_does_not_go_together(client: Client) -> None:
    with pytest.raises(TypeError, match="one body"):
        client.post("/", json=1, data=b"")
    with pytest.raises(TypeError, match="got body=, wanted one of auth, client_address, cookies"):
        client.post("/", body=b"")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="data: got 7, wanted bytes"):
        client.post("/", data=7)
    with pytest.raises(TypeError, match="data: got b'x', wanted a mapping or pairs beside files="):
        client.post("/", data=b"x", files={"a": b""})
    with pytest.raises(ValueError, match="wanted characters of Latin-1"):
        client.get("/", headers={"X-A": "€"})


def test_files_and_fields_of_a_form(tmp_path: Path) -> None:
    class Upload(webpy.form.FormHandler):
        def do_post(self) -> Any:
            form = self.request.body
            files = [form.file(name) for name in ("one", "two", "three")]
            shown = [(each["filename"], each["type"], each["file"].read().decode()) for each in files]
            return 200, repr([form["title"], *shown])

    (tmp_path / "c.html").write_text("<p>")
    with Client({"/": Upload}) as client, open(tmp_path / "c.html", "rb") as file:
        answer = client.post(
            "/",
            data={"title": "T"},
            files={"one": b"1", "two": ('b".txt', "2"), "three": file},
        )
    one, two = ("one", "application/octet-stream", "1"), ('b".txt', "text/plain", "2")
    assert answer.text == repr(["T", one, two, ("c.html", "text/html", "<p>")])


def test_auth(client: Client) -> None:
    assert echoed(client.get("/", auth=("ann", "pass:ü")))["fields"]["authorization"] == "Basic YW5uOnBhc3M6w7w="


def test_expect_100_continue_asks_the_handler_first() -> None:
    class Picky(Echo):
        def check_continue(self) -> Any:
            return self.request.path != "/no"

    with Client({"/.*": Picky}) as client:
        expect = {"Expect": "100-continue"}
        assert echoed(client.post("/", data=b"body", headers=expect))["body"] == "body"
        assert client.post("/no", data=b"body", headers=expect).status == 417


def test_a_body_over_the_limit_is_answered_while_it_is_sent() -> None:
    with Client({"/": Echo}, max_body=1000) as client:
        assert client.post("/", data=b"x" * 1001).status == 413
        assert client.post("/", data=(b"x" * 65536 for _ in range(100))).status == 413
        assert echoed(client.post("/", data=b"x" * 1000))["body"] == "x" * 1000


def test_a_long_answer_that_comes_before_the_body_has_been_sent() -> None:
    class Hasty(HTTPHandler):
        stream = True

        def do_post(self) -> Any:
            return 200, b"x" * (1 << 24)

    with Client({"/": Hasty}, max_body="64M") as client:
        assert client.post("/", data=bytes(1 << 24)).body == b"x" * (1 << 24)


# -- what is raised ---------------------------------------------------------------------------------------------------


def test_an_exception_of_a_handler_is_raised_in_the_test(client: Client) -> None:
    with pytest.raises(LookupError, match="boom") as caught:
        client.get("/boom")
    frames = [each.name for each in caught.traceback]
    assert frames[-1] == "do_get" and "exchange" not in str(caught.traceback[-1].path)
    with pytest.raises(LookupError, match="early"):
        client.get("/body")
    with pytest.raises(LookupError, match="late"):
        client.get("/body?late")
    with pytest.raises(Exception, match="no status"):
        client.put("/boom")


def test_or_the_answer_that_a_browser_would_see(client: Client) -> None:
    answer = client.get("/boom", raise_errors=False)
    assert (answer.status, answer.reason) == (500, "Internal Server Error") and "boom" not in answer.text
    client.raise_errors = False
    assert client.get("/body").status == 500
    assert client.put("/boom").status == 500
    with pytest.raises(BrokenAnswer, match="200, then the connection ended after 4 bytes") as caught:
        client.get("/body?late")
    assert caught.value.answer is not None and caught.value.answer.body == b"some"


def test_what_is_meant_as_an_answer_is_one(client: Client) -> None:
    answer = client.post("/boom")
    assert (answer.status, "taken" in answer.text) == (409, True)
    assert client.delete("/boom").status == 500, "SystemExit ends the request, not the test"


def test_a_test_may_fail_or_end_within_a_handler() -> None:
    class Judge(HTTPHandler):
        def do_get(self) -> Any:
            if self.request.query == "fail":
                pytest.fail("judged")
            assert self.request.query == "right", "wrong query"
            return 200, ""

    with Client({"/.*": Judge}) as client:
        assert client.get("/?right").status == 200
        with pytest.raises(AssertionError, match="wrong query"):
            client.get("/?wrong")
        with pytest.raises(pytest.fail.Exception, match="judged"):
            client.get("/?fail")


def test_an_exception_is_logged_where_tests_look(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.get("/boom", raise_errors=False)
    (record,) = [each for each in caplog.records if each.name == "webpy"]
    assert record.levelno == logging.ERROR and "GET /boom (Boom) raised" in record.getMessage()


def test_exceptions_of_one_request_are_not_anothers(client: Client) -> None:
    """Threads that ask at the same time get each what its own request raised."""
    found: list[str] = []

    def ask(path: str) -> None:
        for _ in range(20):
            try:
                found.append(f"{path} {client.get(path).status}")
            except LookupError as error:
                found.append(f"{path} {error.args[0]}")

    threads = [threading.Thread(target=ask, args=(path,)) for path in ("/boom", "/body", "/fine")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(set(found)) == ["/body early", "/boom boom", "/fine 200"] and len(found) == 60


def test_a_request_that_takes_too_long() -> None:
    over = threading.Event()

    class Slow(HTTPHandler):
        def do_get(self) -> Any:
            over.wait(20)
            return 200, ""

    with Client({"/": Slow}, timeout=0.05) as client:
        with pytest.raises(TimeoutError):
            client.get("/")
        over.set()


# -- what it gives back -----------------------------------------------------------------------------------------------


def test_the_answer(client: Client) -> None:
    class Say(HTTPHandler):
        def do_get(self) -> Any:
            self.response.headers.add("X-A", "1")
            self.response.headers.add("x-a", "2")
            self.response.headers.set("Content-Type", self.request.headers.get("Accept", "text/plain") or "")
            return 201, "grün".encode("latin-1")

    with Client({"/": Say}) as other:
        answer = other.get("/", headers={"Accept": "text/plain; charset=iso-8859-1"})
        assert (answer.status, answer.reason, answer.text) == (201, "Created", "grün")
        assert answer.headers.getlist("X-a") == ["1", "2"] and answer.headers["Server"] == "webpy"
        assert (answer.url, answer.history) == ("http://localhost/", [])
        assert repr(answer) == "<Answer 201 Created: 4 bytes of http://localhost/>"
        assert other.get("/").text == "gr�n"
        assert other.get("/", headers={"Accept": "text/plain; charset=x"}).text == "gr�n"
        with pytest.raises(ValueError, match="the body is not JSON: .*; got 201 Created, b'gr.xfcn', wanted JSON"):
            other.get("/").json()


def test_everything_of_a_request_is_over_when_the_answer_is_there() -> None:
    """So a test may look at what the closing of a body did, however the connection ends."""
    closed: list[str] = []

    class Pieces:
        def __init__(self, name: str) -> None:
            self.name = name

        def __iter__(self) -> Iterator[bytes]:
            yield b"a"

        def close(self) -> None:
            time.sleep(0.005)
            closed.append(self.name)

    class Give(HTTPHandler):
        def do_get(self) -> Any:
            return 200, Pieces(self.request.query)

    with Client({"/.*": Give}) as client:
        for number in range(10):
            client.get(f"/?{number}", headers={"Connection": "close"} if number % 2 else {})
            assert len(closed) == number + 1


def test_a_later_answer() -> None:
    class Delayed(HTTPHandler):
        def do_get(self) -> Any:
            if self.request.query:
                return Later(lambda exchange: exchange.fail(LookupError("later")))
            return Later(lambda exchange: threading.Timer(0.01, exchange.respond, [(200, "late")]).start())

    with Client({"/.*": Delayed}) as client:
        assert client.get("/").text == "late"
        with pytest.raises(LookupError, match="later"):
            client.get("/?fails")


def test_files_and_ranges(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(range(256)) * 1024)
    with Client(webpy.file.new(tmp_path)) as client:
        assert client.get("/a.bin").body == bytes(range(256)) * 1024
        part = client.get("/a.bin", headers={"Range": "bytes=254-257"})
        assert (part.status, part.body) == (206, b"\xfe\xff\x00\x01")
        assert part.headers["Content-Range"] == "bytes 254-257/262144"
        again = client.get("/a.bin", headers={"If-None-Match": part.headers["ETag"]})
        assert (again.status, again.body) == (304, b"")
        assert client.get("/none").status == 404


def test_atomic_handlers_keep_others_out() -> None:
    class Count(HTTPHandler):
        atomic = True
        value = 0

        def do_post(self) -> Any:
            before = type(self).value
            time.sleep(0.001)
            type(self).value = before + 1
            return 204, None

    with Client({"/": Count}) as client:
        threads = [threading.Thread(target=lambda: [client.post("/") for _ in range(10)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert Count.value == 40


# -- cookies and redirects --------------------------------------------------------------------------------------------


def test_a_session_in_memory() -> None:
    class Visits(webpy.session.SessionMixIn, HTTPHandler):
        session_store = MemoryStore()

        def do_get(self) -> Any:
            self.session["count"] = self.session.get("count", 0) + 1
            return 200, str(self.session["count"])

    with Client({"/": Visits}) as client:
        assert [client.get("/").text for _ in range(3)] == ["1", "2", "3"]
        client.cookies.clear()
        assert client.get("/").text == "1"


class Redirect(HTTPHandler):
    def do_get(self) -> Any:
        status, _, where = self.request.query.partition("=")
        self.response.headers.set("Location", where)
        return int(status), ""

    do_post = do_get


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "HEAD", "HEAD"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
        (302, "GET", "GET"),
    ],
)
def test_redirects_are_followed_when_asked_for(status: int, method: str, then: str) -> None:
    with Client({"/r.*": Redirect, "/.*": Echo}) as client:
        url = f"/r/a?{status}=../there%20now?x=1%23y"
        data = {} if method != "POST" else {"json": [1]}
        assert client.request(method, url, **data).status == status
        answer = client.request(method, url, follow_redirects=True, headers={"X-A": "1"}, **data)  # type: ignore[arg-type]
        assert [each.status for each in answer.history] == [status]
        assert answer.url == "http://localhost/there%20now?x=1%23y"
        if method != "HEAD":
            seen = echoed(answer)
            assert (seen["method"], seen["target"], seen["fields"]["x-a"]) == (then, "/there%20now?x=1%23y", "1")
            assert seen["body"] == ("[1]" if then == "POST" else "")
            assert ("content-type" in seen["fields"]) == (then == "POST")


def test_redirects_of_all_requests_and_to_other_places() -> None:
    with Client({"/r.*": Redirect, "/.*": Echo}, follow_redirects=True) as client:
        assert echoed(client.get("/r?302=https://localhost/tls"))["scheme"] == "https"
        elsewhere = client.get("/r?302=https://accounts.example/")
        assert (elsewhere.status, elsewhere.headers["Location"]) == (302, "https://accounts.example/")
        assert client.get("/r?302=/", follow_redirects=False).status == 302
        with pytest.raises(TooManyRedirects, match="redirected 20 times"):
            client.get("/r?301=")  # to itself
        assert client.get("/r?304=/").status == 304


# -- what it takes ----------------------------------------------------------------------------------------------------

APP = """
import webpy
warmed = []

class Hello(webpy.HTTPHandler):
    def do_get(self):
        return 200, f"hello {len(warmed)}"

class Missing(webpy.HTTPErrorHandler):
    def format(self):
        return "own page"

def warm_up():
    warmed.append(1)

def create_app(name):
    return {"/": type(name, (Hello,), {})}

routes = {"/": Hello}
error_routes = {"404": Missing}
"""


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']} {environ['PATH_INFO']}".encode()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "testingapp.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("testingapp", None)


@pytest.mark.parametrize("target", ["testingapp", "testingapp:routes", "testingapp.py", "./testingapp.py:routes"])
def test_a_target_as_webpy_serve_takes_it(folder: Path, target: str) -> None:
    with Client(target) as client:
        assert [client.get("/").text for _ in range(2)] == ["hello 1", "hello 1"], "warm_up is called once"
        assert client.get("/none").text == "own page"


def test_a_path_a_factory_a_module_and_a_class(folder: Path) -> None:
    for target in (folder / "testingapp.py", f"{folder}/testingapp.py:create_app('Named')"):
        with Client(target) as client:
            assert client.get("/").text.startswith("hello")
    module = sys.modules["testingapp"]
    module.warmed.clear()
    with Client(module) as client:
        assert client.get("/").text == "hello 1" and client.get("/none").text == "own page"
    with Client(module.Hello) as client:
        assert client.get("/any/path").text == "hello 1", "an object stands for itself: nothing warms up"


def test_a_wsgi_application_a_server_and_error_routes(folder: Path) -> None:
    with Client(wsgi) as client:
        assert client.get("https://a.example/x").text == "a.example:443 /x"
    server = webpy.HTTPServer(("127.0.0.1", 0), {"/": Echo}, max_body=10, workers=3)
    with Client(server) as client:
        assert client.post("/", data=b"x" * 11).status == 413

    class Own(HTTPErrorHandler):
        def format(self) -> Any:
            return "mine"

    with Client({"/": Echo}, error_routes={404: Own}) as client:
        assert client.get("/x").text == "mine"


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("nowhere:app", {}, "no module named 'nowhere'"),
        ("testingapp:rutes", {}, "did you mean testingapp:routes?"),
        ({"(": Echo}, {}, r"\("),
        (7, {}, "got 7 of type int, wanted one of: "),
        (ModuleType("empty"), {}, "empty: has none of routes, app"),
        ({"/": Echo}, {"max_body": "x"}, "--max-body: got 'x', wanted"),
        ({"/": Echo}, {"max_boddy": 1}, "did you mean --max-body"),
        ({"/": Echo}, {"config": "no.toml"}, "no such file"),
        ({"/": Echo}, {"kind": "wsgi"}, "wanted a WSGI application"),
    ],
)
def test_what_cannot_be_served(folder: Path, target: Any, options: Any, message: str) -> None:
    with pytest.raises(StartError, match=message):
        Client(target, **options)


def test_what_a_client_has_not() -> None:
    with pytest.raises(TypeError, match=r"workers: .* wanted webpy.testing.serve"):
        Client({"/": Echo}, workers=2)
    with pytest.raises(ValueError, match="base_url: got 'localhost', wanted one such as"):
        Client({"/": Echo}, base_url="localhost")


def test_settings_come_from_nowhere_else(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "webpy.toml").write_text("max_body = 1\nworkers = 4\n")
    monkeypatch.setenv("WEBPY_MAX_BODY", "1")
    with Client({"/": Echo}) as client:
        assert client.post("/", data=b"ab").status == 200
    with Client({"/": Echo}, config="webpy.toml") as client:
        assert client.post("/", data=b"ab").status == 413
    with Client({"/": Echo}, config="webpy.toml", max_body=2) as client:
        assert client.post("/", data=b"ab").status == 200


# -- what it leaves behind --------------------------------------------------------------------------------------------


def open_files() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def test_a_closed_client_has_given_everything_back() -> None:
    before = (open_files(), threading.active_count())
    with Client({"/": Echo}) as client:
        client.get("/")
    assert threading.active_count() == before[1]
    client.close()
    with pytest.raises(RuntimeError, match="the client has been closed"):
        client.get("/")
    del client
    assert open_files() == before[0]


def test_a_client_that_is_forgotten_is_closed() -> None:
    before = (open_files(), threading.active_count())
    Client({"/": Echo}).get("/")
    deadline = time.monotonic() + 10
    while (open_files(), threading.active_count()) != before:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_closing_waits_for_a_handler_that_still_runs() -> None:
    begun, over = threading.Event(), []

    class Slow(HTTPHandler):
        def do_get(self) -> Any:
            begun.set()
            time.sleep(0.05)
            over.append(1)
            return 200, ""

    client = Client({"/": Slow}, timeout=0.001)
    with pytest.raises(TimeoutError):
        client.get("/")
    begun.wait(10)
    client.close()
    assert over == [1]


def test_a_request_of_another_thread_ends_when_the_client_is_closed() -> None:
    """It has its answer, or an error, but it does not wait for ever."""
    begun, over = threading.Event(), threading.Event()

    class Slow(HTTPHandler):
        def do_get(self) -> Any:
            begun.set()
            over.wait(20)
            return 200, "whole"

    client, found = Client({"/": Slow}), []
    asking = threading.Thread(target=lambda: found.append(client.get("/").text))
    asking.start()
    assert begun.wait(10)
    closing = threading.Thread(target=client.close)
    closing.start()
    over.set()
    asking.join(20)
    closing.join(20)
    assert found == ["whole"]


def test_listeners_of_an_engine_begin_and_end_with_their_clients(tmp_path: Path) -> None:
    from webpy import objects

    class Page:
        @objects.expose
        def index(self) -> str:
            return " ".join(said)

    said: list[str] = []
    for channel in ("start", "stop"):
        objects.engine.subscribe(channel, lambda channel=channel: said.append(channel))
    try:
        with Client(Page()) as one:
            assert one.get("/").text == "start"
            with Client(Page()) as two:
                assert two.get("/").text == "start"
            assert one.get("/").text == "start", "another client uses it still"
        assert said == ["start", "stop"]
        with Client(Page()) as again:
            assert again.get("/").text == "start stop start"
    finally:
        for channel in ("start", "stop"):
            objects.engine.listeners[channel].clear()


def test_there_is_no_websocket_yet(client: Client) -> None:
    with pytest.raises(NotImplementedError, match=r"websocket\('/chat'\): this version of webpy has no WebSocket"):
        client.websocket("/chat")


def test_threads_that_were_deposed_as_leaders_end_too() -> None:
    """They join the pool after their answer has left, when its client may be closed already."""

    class Slow(HTTPHandler):
        def do_get(self) -> Any:
            time.sleep(0.01)  # for so long that the watcher takes the lead
            return 200, ""

    before = threading.active_count()
    for _ in range(20):
        with Client({"/": Slow}) as client:
            client.get("/")
        assert threading.active_count() == before
