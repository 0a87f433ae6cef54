"""The mix-in without a server: when the session is loaded and saved, its cookie, and failures of the store."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest

from tests.heads import request_of
from webpy import HTTPError
from webpy.auth import AuthMixIn
from webpy.caching import CachingMixIn, directives
from webpy.conditional import Validators
from webpy.framework.routing.routes import compile_routes
from webpy.session import SessionMixIn
from webpy.session.session import key_of
from webpy.store import MemoryStore, StoreError, StoreTimeout

STORE = MemoryStore()


class Count(SessionMixIn):
    session_store = STORE

    def do_get(self) -> Any:
        return 200, f"{self.session.get('n', 0)}"

    def do_post(self) -> Any:
        self.session["n"] = self.session.get("n", 0) + 1
        return 200, f"{self.session['n']}"


def made(cls: type[SessionMixIn], method: str = "GET", id: str = "", tls: object = None, *fields: str) -> SessionMixIn:
    request = request_of(method, "/", *([f"Cookie: {cls.session_cookie}={id}"] if id else []), *fields)
    request._peer.tls = tls  # type: ignore[misc]
    return cls(request, compile_routes({}).resolve("/")[1])


def ask(cls: type[SessionMixIn], method: str = "GET", id: str = "", tls: object = None) -> tuple[Any, str | None]:
    """Return the result and the Set-Cookie."""
    handler = made(cls, method, id, tls)
    return handler.respond(), handler.response.headers.get("Set-Cookie")


def id_of(cookie: str | None) -> str:
    assert cookie is not None
    return cookie.partition(";")[0].partition("=")[2]


@pytest.fixture
def id() -> str:
    return id_of(ask(Count, "POST")[1])


@pytest.mark.parametrize(
    ("options", "tls", "attributes"),
    [
        ({}, None, "Path=/; HttpOnly; SameSite=Lax"),
        ({}, object(), "Path=/; Secure; HttpOnly; SameSite=Lax"),
        ({"session_secure": True}, None, "Path=/; Secure; HttpOnly; SameSite=Lax"),
        ({"session_secure": False}, object(), "Path=/; HttpOnly; SameSite=Lax"),
        ({"session_cookie": "__Host-s"}, None, "Path=/; Secure; HttpOnly; SameSite=Lax"),
        ({"session_same_site": "None"}, None, "Path=/; Secure; HttpOnly; SameSite=None"),
        ({"session_same_site": "Strict", "session_path": "/a"}, None, "Path=/a; HttpOnly; SameSite=Strict"),
        ({"session_domain": "b.c"}, None, "Path=/; Domain=b.c; HttpOnly; SameSite=Lax"),
        ({"session_persistent": True}, None, "Path=/; Max-Age=1800; HttpOnly; SameSite=Lax"),
    ],
)
def test_the_cookie(options: dict[str, Any], tls: object, attributes: str) -> None:
    cls = type("Other", (Count,), options)
    cookie = ask(cls, "POST", tls=tls)[1]
    assert cookie == f"{cls.session_cookie}={id_of(cookie)}; {attributes}"
    assert ask(cls, "POST", id_of(cookie), tls) == ((200, "2"), cookie if cls.session_persistent else None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"session_cookie": "a b"}, "wanted a token"),
        ({"session_cookie": "__Host-s", "session_path": "/a"}, "its prefix wants None and '/'"),
        ({"session_same_site": "lax"}, "got same_site 'lax'"),
        ({"session_store": "nowhere:"}, "nowhere:"),
        ({"session_idle_s": 0}, "session_idle_s: got 0, wanted more than 0"),
    ],
)
def test_a_class_that_cannot_work_is_not_made(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        type("Other", (Count,), options)


def test_before_it_runs_it_can_be_read(id: str) -> None:
    class Asks(Count):
        def check_continue(self) -> bool:
            return self.session.get("n") == 1

    handler = made(Asks, "POST", id)
    assert handler.check_continue()
    with pytest.raises(RuntimeError, match="can only be read: its handler does not run yet"):
        handler.session["n"] = 5
    assert ask(Count, "POST", id)[0] == (200, "2")  # it was not locked, and what was read then
    assert handler.respond() == (200, "3")  # is loaded again


class Scheme(AuthMixIn):
    def auth_any(self, token: str) -> str | None:
        session = self.session  # type: ignore[attr-defined]
        return "ann" if token == "yes" and session.get("n") else None


def test_behind_a_mix_in_that_reads_it(id: str) -> None:
    class Behind(Scheme, Count):
        pass

    handler = made(Behind, "POST", id, None, "Authorization: Any no")
    with pytest.raises(HTTPError):
        handler.respond()
    assert made(Behind, "POST", id, None, "Authorization: Any yes").respond() == (200, "2")  # no request has locked it


def test_before_a_mix_in_that_reads_it(id: str) -> None:
    class Before(Count, Scheme):
        pass

    handler = made(Before, "POST", id, None, "Authorization: Any no")
    with pytest.raises(HTTPError) as caught:
        handler.respond()
    assert caught.value.headers and caught.value.headers["WWW-Authenticate"] and caught.value.headers["Vary"]
    assert made(Before, "POST", id, None, "Authorization: Any yes").respond() == (200, "2")


def test_afterwards_it_can_be_read(id: str) -> None:
    handler = made(Count, "POST", id)
    handler.respond()
    assert handler.session["n"] == 2
    with pytest.raises(RuntimeError, match="has been saved"):
        handler.session["n"] = 3
    untouched = made(type("Nothing", (Count,), {"do_get": lambda self: (200, "")}), "GET", id)
    untouched.respond()
    with pytest.raises(RuntimeError, match="first asked for when the answer had begun"):
        _ = untouched.session


def test_read_only(id: str) -> None:
    class Peek(Count):
        session_read_only = True

    assert ask(Peek, "GET", id) == ((200, "1"), None)
    handler = made(Peek, "POST", id)
    with pytest.raises(RuntimeError, match="session_read_only is set"):
        handler.respond()
    assert ask(Count, "GET", id)[0] == (200, "1")


def test_what_is_said_to_caches(id: str) -> None:
    class Says(Count):
        said: tuple[str, str]

        def do_get(self) -> Any:
            self.response.headers.set(*self.said)
            return super().do_get()

    def fields(name: str, value: str) -> list[str]:
        handler = made(type("Saying", (Says,), {"said": (name, value)}), "GET", id)
        handler.respond()
        return handler.response.headers.getlist(name)

    assert fields("Vary", "Accept, cookie") == ["Accept, cookie"]
    assert fields("Vary", "*") == ["*"]
    assert fields("Vary", "Accept") == ["Accept", "Cookie"]
    assert fields("Cache-Control", "no-store") == ["no-store"]
    assert fields("Cache-Control", "private, max-age=5") == ["private, max-age=5"]
    assert fields("Cache-Control", "public, max-age=5") == ["private, max-age=5"]
    assert fields("Cache-Control", "max-age=5, s-maxage=9") == ["private, max-age=5"]
    assert fields("Cache-Control", "no-cache") == ["private, no-cache"]


def test_what_is_raised_is_not_public_either(id: str) -> None:
    class Raises(Count):
        def do_get(self) -> Any:
            super().do_get()
            raise HTTPError(404, headers={"Cache-Control": "Public, max-age=60"})

    with pytest.raises(HTTPError) as caught:
        made(Raises, "GET", id).respond()
    assert caught.value.headers is not None
    assert caught.value.headers.getlist("Cache-Control") == ["private, max-age=60"]


def test_untouched_it_may_be_public(id: str) -> None:
    class Says(Count):
        def do_get(self) -> Any:
            self.response.headers.set("Cache-Control", "public")
            return 200, "for all"

    handler = made(Says, "GET", id)
    handler.respond()
    assert list(handler.response.headers) == [("Cache-Control", "public")]


def test_before_a_cache_that_asks_for_validators(id: str) -> None:
    """A 304 depends on the session as much as the answer that it replaces."""

    class Cached(Count, CachingMixIn):
        cache_control = directives("public", max_age=60)

        def cache_validators(self) -> Validators:
            return Validators(f'"{self.session["n"]}"')

    handler = made(Cached, "GET", id, None, 'If-None-Match: "1"')
    assert handler.respond() == (304, None)
    assert handler.response.headers["Cache-Control"] == "private, max-age=60"
    assert handler.response.headers["Vary"] == "Cookie"


def test_midway_saved_and_ended() -> None:
    class Midway(Count):
        def do_post(self) -> Any:
            self.session["n"] = 1
            first = self.session.id
            self.save_session()
            self.session.invalidate()
            self.save_session()
            self.session["m"] = 2
            return 200, first

    (_, first), cookie = ask(Midway, "POST")
    assert id_of(cookie) != first
    assert key_of(first) not in STORE and b'{"m":2}' in STORE[key_of(id_of(cookie))]


class Failing(MemoryStore):
    """Raises `error` from the `after`th call on."""

    error: Exception | None = None

    def __init__(self) -> None:
        super().__init__()
        self.after = 0

    def _fail(self) -> None:
        self.after -= 1
        if self.error is not None and self.after < 0:
            raise self.error

    def get(self, key: str, default: Any = None) -> Any:
        self._fail()
        return super().get(key, default)

    def set(self, key: str, value: bytes, **options: Any) -> None:
        self._fail()
        super().set(key, value, **options)

    def cas(self, *arguments: Any, **options: Any) -> bool:
        self._fail()
        return super().cas(*arguments, **options)


@pytest.mark.parametrize("error", [StoreError("disk full"), StoreTimeout("kept busy")])
@pytest.mark.parametrize("after", [0, 1])
def test_a_store_that_fails(error: Exception, after: int, caplog: pytest.LogCaptureFixture) -> None:
    store = Failing()
    file = io.BytesIO(b"body")

    class Breaking(Count):
        session_store = store

        def do_put(self) -> Any:
            self.do_post()
            return 200, file

    id = id_of(ask(Breaking, "POST")[1])
    store.error, store.after = error, after
    with caplog.at_level(logging.ERROR, "webpy.session"), pytest.raises(HTTPError) as caught:
        ask(Breaking, "PUT", id)
    assert caught.value.status == 503 and caught.value.headers and caught.value.headers["Retry-After"] == "1"
    assert caught.value.message == "sessions are not available now; try again\n"
    assert f"the store of sessions failed: {error}" in caplog.text and id not in caplog.text
    assert file.closed == bool(after)  # the method has run, and its body will not be sent
    store.error = None
    assert ask(Breaking, "POST", id)[0] == (200, "2")  # the session is free again


def test_what_is_lost_is_not_sent(id: str) -> None:
    class Robbed(Count):
        def do_post(self) -> Any:
            super().do_post()
            STORE[key_of(id)] = b"of another"
            return 200, "kept"

    with pytest.raises(HTTPError) as caught:
        ask(Robbed, "POST", id)
    assert caught.value.status == 503 and caught.value.message == "your session has changed meanwhile; try again\n"
    assert STORE[key_of(id)] == b"of another"


def test_the_store_is_found_when_the_class_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []
    monkeypatch.setattr("webpy.session.handler.find_keeper", opened.append)

    class Named(SessionMixIn):
        session_store = "sqlite:///named.sqlite3"

    assert opened == ["sqlite:///named.sqlite3"]


def test_405_touches_nothing() -> None:
    with pytest.raises(HTTPError) as caught:
        ask(Count, "DELETE")
    assert caught.value.status == 405 and caught.value.headers and "Vary" not in caught.value.headers
