"""Answers that come later, of handlers with mix-ins: what is done with a result is done with one that comes later."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.worker.rig import Rig, led
from webpy import HTTPError, HTTPHandler
from webpy.auth import BasicAuthMixIn
from webpy.caching import CachingMixIn
from webpy.compression import CompressionMixIn
from webpy.cors import CORSMixIn
from webpy.framework.later import Later
from webpy.json import JSONMixIn
from webpy.requestid import RequestIDMixIn
from webpy.session import SessionMixIn
from webpy.store import MemoryStore

Make = Callable[..., Rig]

TEXT = "a text that is long enough to be shorter in another coding\n" * 40


threads: list[threading.Thread] = []


def later(result: Any) -> Later:
    """Gives the result, or raises it, from a thread of its own."""

    def begin(exchange: Any) -> None:
        answer = exchange.fail if isinstance(result, BaseException) else exchange.respond
        thread = threading.Thread(target=answer, args=(result,))
        threads.append(thread)
        thread.start()

    return Later(begin)


def at_once(result: Any) -> Any:
    if isinstance(result, BaseException):
        raise result
    return result


class Now(HTTPHandler):
    """Answers at once; with `later` in the place of `give`, later."""

    give = staticmethod(at_once)

    def do_get(self) -> Any:
        if "fails" in self.request.path:
            return self.give(HTTPError(404))
        return self.give((200, TEXT))


class Values(Now):
    def do_get(self) -> Any:
        return self.give((200, {"a": [1, 2]} if "bad" not in self.request.path else {"a": object()}))


class Visits(Now):
    session: Any

    def do_get(self) -> Any:
        self.session["visits"] = self.session.get("visits", 0) + 1
        return self.give(HTTPError(404) if "fails" in self.request.path else (200, str(self.session["visits"])))


STORE = MemoryStore()


def both(*bases: type, **members: Any) -> tuple[type, type]:
    """Two handlers of these classes: one that answers at once, one that answers later."""
    one = type("One", bases, {**members, "give": staticmethod(at_once)})
    return one, type("One", bases, {**members, "give": staticmethod(later)})


KINDS: dict[str, tuple[type, type]] = {
    "compression": both(CompressionMixIn, Now),
    "caching": both(CachingMixIn, Now),
    "cors": both(CORSMixIn, Now, cors_origins=("https://a.example",)),
    "id": both(RequestIDMixIn, Now),
    "login": both(BasicAuthMixIn, Now, auth_basic=lambda self, token: "user"),
    "json": both(JSONMixIn, Values),
    "atomic": both(Now, atomic=True),
    "all": both(RequestIDMixIn, CORSMixIn, BasicAuthMixIn, SessionMixIn, CompressionMixIn, CachingMixIn, Now,
                auth_basic=lambda self, token: "user", cors_origins=("https://a.example",), session_store=STORE),
    "all-json": both(CompressionMixIn, CachingMixIn, JSONMixIn, Values),
    "session": both(SessionMixIn, Visits, session_store=STORE),
}  # fmt: skip

FIELDS = {
    "Accept-Encoding": "gzip",
    "Origin": "https://a.example",
    "X-Request-ID": "an-id",
    "Authorization": "Basic dXNlcjpwYXNz",
}


@pytest.fixture
def asked(rig: Make) -> Iterator[Callable[..., tuple[int, dict[str, str], bytes]]]:
    routes: dict[str, Any] = {}
    for name, (now, then) in KINDS.items():
        routes[f"/now/{name}(/.*)?"], routes[f"/later/{name}(/.*)?"] = now, then
    parts = rig(routes)
    with led(parts), contextlib.ExitStack() as stack:
        connection = http.client.HTTPConnection(*parts.address, timeout=10)
        stack.callback(connection.close)

        def ask(path: str, method: str = "GET", body: bytes | None = None, **fields: str) -> Any:
            more = {name.replace("_", "-"): value for name, value in fields.items()}
            connection.request(method, path, body, {**FIELDS, **more})
            answer = connection.getresponse()
            return answer.status, {k: v for k, v in answer.getheaders() if k != "Date"}, answer.read()

        yield ask
        while threads:
            threads.pop().join(10)
    assert parts.complaints == [text for text in parts.complaints if "JSON has no object" in text or "raised" in text]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "session"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("more", ["", "/fails", "/bad"])
def test_a_later_answer_is_the_one_that_would_have_come_at_once(
    asked: Callable[..., Any], kind: str, method: str, more: str
) -> None:
    wanted = asked(f"/now/{kind}{more}", method)
    assert asked(f"/later/{kind}{more}", method) == wanted
    if "compression" in kind and not more and method == "GET":
        assert wanted[1]["Content-Encoding"] == "gzip"
        assert gzip.decompress(wanted[2]).decode() == TEXT
    if kind == "json" and not more and method == "GET":
        assert json.loads(wanted[2]) == {"a": [1, 2]}
    if etag := wanted[1].get("ETag"):
        again = asked(f"/now/{kind}{more}", method, If_None_Match=etag)
        assert again[0] == 304
        assert asked(f"/later/{kind}{more}", method, If_None_Match=etag) == again


@pytest.mark.parametrize("when", ["now", "later"])
def test_a_session_is_saved_when_the_method_has_returned(asked: Callable[..., Any], when: str) -> None:
    status, fields, body = asked(f"/{when}/session")
    assert (status, body) == (200, b"1")
    cookie = fields["Set-Cookie"].partition(";")[0]
    for number in (b"2", b"3"):
        status, fields, body = asked(f"/{when}/session", Cookie=cookie)
        assert (status, body) == (200, number)
        assert (fields["Vary"], fields["Cache-Control"]) == ("Cookie", "private, no-cache")
    status, fields, _ = asked(f"/{when}/session/fails", Cookie=cookie)
    assert (status, fields.get("Vary"), fields.get("Cache-Control")) == (404, "Cookie", "private, no-cache")
