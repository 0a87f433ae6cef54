"""The tool sessions: the same on CherryPy and on webpy; and beyond, on all workers and without lost updates."""

from __future__ import annotations

import concurrent.futures
import datetime
import decimal
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from webpy.objects.tools.sessions.values import from_json, to_json

from ..sidebyside import Pair

SCRIPT = """
import os
import time

import cherrypy
from cherrypy.lib import sessions

HERE = os.path.dirname(os.path.abspath(__file__))


class Root:
    @cherrypy.expose
    def index(self):
        cherrypy.session["n"] = cherrypy.session.get("n", 0) + 1
        return "%d" % cherrypy.session["n"]

    @cherrypy.expose
    def slow(self):
        n = cherrypy.session.get("n", 0)
        time.sleep(0.01)
        cherrypy.session["n"] = n + 1
        return "ok"

    @cherrypy.expose
    def untouched(self):
        return "untouched"

    @cherrypy.expose
    def items(self):
        return repr(sorted(cherrypy.session.items()))

    @cherrypy.expose
    def regenerate(self):
        cherrypy.session.regenerate()
        return repr(cherrypy.session.get("n"))

    @cherrypy.expose
    def login(self):
        cherrypy.session["user"] = "ann"
        cherrypy.session.regenerate()
        return repr(sorted(cherrypy.session.keys()))

    @cherrypy.expose
    def delete(self):
        cherrypy.session.delete()
        return "deleted"

    @cherrypy.expose
    def clear(self):
        cherrypy.session.clear()
        return "cleared"

    @cherrypy.expose
    def expire(self):
        sessions.expire()
        return "expired"

    @cherrypy.expose
    def known_error(self):
        cherrypy.session["n"] = 70
        raise cherrypy.HTTPError(404)

    @cherrypy.expose
    def unexpected_error(self):
        cherrypy.session["n"] = 80
        raise ValueError("a bug")

    @cherrypy.expose
    def redirected(self):
        cherrypy.session["n"] = 50
        raise cherrypy.HTTPRedirect("/")

    @cherrypy.expose
    def inside(self):
        cherrypy.session["n"] = 20
        raise cherrypy.InternalRedirect("/untouched")

    @cherrypy.expose
    def generated(self):
        cherrypy.session["n"] = 30
        yield "a"
        cherrypy.session["n"] = 31
        yield "b"

    @cherrypy.expose
    def streamed(self):
        cherrypy.session["n"] = 40
        yield "a"
        cherrypy.session["n"] = 41
        yield "b"

    streamed._cp_config = {"response.stream": True}

    @cherrypy.expose
    def methods(self):
        session = cherrypy.session
        session.update({"a": 1})
        session.setdefault("b", 2)
        seen = [session.pop("a"), session.pop("zz", 5), "b" in session, session.get("q"), session.get("q", 4)]
        seen += [list(session.keys()), list(session.values())]
        del session["b"]
        try:
            session["no"]
        except KeyError as error:
            seen.append(repr(error))
        return repr(seen)

    @cherrypy.expose
    def objects(self):
        old = cherrypy.session.get(1)
        cherrypy.session[1] = (1, {2}, b"x", 1.5, None, [True])
        return repr(old)

    @cherrypy.expose
    def told(self):
        session = cherrypy.session
        return repr((session.missing, session.originalid is None, session.timeout, session.id == session.id))

    @cherrypy.expose
    def saved_early(self):
        cherrypy.session["early"] = 1
        cherrypy.session.save()
        cherrypy.session["late"] = 1
        return repr(sorted(cherrypy.session.keys()))

    @cherrypy.expose
    def locked(self):
        cherrypy.session.acquire_lock()
        cherrypy.session["n"] = cherrypy.session.get("n", 0) + 1
        cherrypy.session.release_lock()
        return "locked and released"

    @cherrypy.expose
    def leaves(self):
        cherrypy.session["user"] = None
        cherrypy.session.regenerate()
        cherrypy.session.delete()
        cherrypy.session.delete()
        cherrypy.session["after"] = 1
        return "left"

    @cherrypy.expose
    def file(self):
        cherrypy.session["n"] = 60
        return open(os.path.join(HERE, "kept", "a.txt"), "rb")


def on(**options):
    return {"/": {"tools.sessions.on": True, **{"tools.sessions." + name: value for name, value in options.items()}}}


ours = cherrypy.__name__ == "webpy.objects"  # which has an option more
theirs, strict, unknown = [{"samesite": value} if ours else {} for value in (False, "Strict", "lax")]
for path, config in {
    "/options": on(timeout=5, name="sid", path="/options", domain="h.example", secure=True, httponly=True),
    "/brief": on(persistent=False),
    "/from_header": on(path_header="X-Path"),
    "/bad": on(storage_type="nosuch"),
    "/in_files": on(storage_type="file", storage_path=os.path.join(HERE, "kept")),
    "/by_class": on(storage_class=sessions.FileSession, storage_path=os.path.join(HERE, "kept")),
    "/explicit": on(locking="explicit"),
    "/early": on(locking="early"),
    "/wrong": on(locking="sometimes"),
    "/off": {},
    "/as_theirs": on(httponly=False, **theirs),
    "/strict": on(**strict),
    "/unknown": on(**unknown),
}.items():
    cherrypy.tree.mount(Root(), path, config)
cherrypy.quickstart(Root(), "/", on())
"""


@pytest.fixture(scope="module")
def both(pair: Callable[..., Pair]) -> Iterator[Pair]:
    yield pair(SCRIPT, files={"kept/a.txt": "a file"})


def _slow(*values: str) -> list[Any]:
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


JOURNEY = (
    *("/", "/", "/items", "/login", "/", "/untouched", "/", "/clear", "/items", "/", "/expire"),
    *("/known_error", "/", "/unexpected_error", "/", "/inside", "/", "/generated", "/", "/streamed", "/", "/methods"),
    *("/told", "/file", "/", "/delete", "/", "/regenerate", "/", "/objects", "/objects"),
)


@pytest.mark.parametrize("mount", ["", "/in_files", *_slow("/by_class", "/explicit", "/early", "/brief")])
def test_a_journey(both: Pair, mount: str) -> None:
    for path in JOURNEY:
        both.same("GET", mount + path, session=f"journey{mount}")


def test_a_redirect_keeps_the_session(both: Pair) -> None:
    for path in ("/", "/redirected", "/"):
        both.same("GET", path, session="redirects")


def test_a_session_that_was_saved_early_can_be_changed_again(both: Pair) -> None:
    for path in ("/", "/saved_early", "/items"):
        seen = both.same("GET", path, session="early")  # of sessions in files CherryPy fails
    assert seen.text == "[('early', 1), ('late', 1), ('n', 1)]"


@pytest.mark.parametrize("mount", ["/options", "/from_header", "/bad", "/wrong", "/off"])
def test_options(both: Pair, mount: str) -> None:
    for path in ("/", "/", "/told", "/expire"):
        both.same("GET", mount + path, session=f"options{mount}")
        both.same("GET", mount + path, headers={"X-Path": "/zz"}, session=f"options{mount}")


@pytest.mark.parametrize(
    ("mount", "attributes"),
    [("", "HttpOnly SameSite=Lax"), ("/as_theirs", ""), ("/strict", "HttpOnly SameSite=Strict")],
)
def test_cookies_are_hidden_from_scripts_and_other_sites(both: Pair, mount: str, attributes: str) -> None:
    theirs, mine = both.send("GET", f"{mount}/")
    _, *told = mine.headers["Set-Cookie"].split("; ")
    assert [part for part in told if part.startswith(("HttpOnly", "SameSite"))] == attributes.split()
    assert not {"HttpOnly", "SameSite"} & {part.partition("=")[0] for part in theirs.headers["Set-Cookie"].split("; ")}


def test_a_same_site_that_browsers_do_not_know(both: Pair) -> None:
    assert both.webpy.server.get("/unknown/").status == 500
    both.webpy.server.wait_for("tools.sessions.samesite: got 'lax', wanted one of Lax, Strict, None, or False")


@pytest.mark.parametrize(
    "cookie", ["session_id=made-up", "session_id=../../etc/passwd", "session_id=", "session_id=a; session_id=b", "x"]
)
@pytest.mark.parametrize("mount", ["", "/in_files"])
def test_ids_of_others_are_not_taken_over(both: Pair, mount: str, cookie: str) -> None:
    _, mine = both.send("GET", f"{mount}/", headers={"Cookie": cookie})
    assert mine.text == "1"
    assert mine.cookies["session_id"]["value"] not in cookie
    both.same("GET", f"{mount}/told", headers={"Cookie": cookie})
    unknown = "session_id=" + "A" * 43
    _, mine = both.send("GET", f"{mount}/", headers={"Cookie": unknown})
    assert "A" * 43 not in mine.headers["Set-Cookie"]


def _cookie(answer: Any) -> str:
    return str(answer.headers["Set-Cookie"]).partition(";")[0]


@pytest.mark.parametrize("mount", ["", *_slow("/in_files")])
def test_no_update_is_lost_on_two_workers(both: Pair, mount: str) -> None:
    server = both.webpy.server
    cookie = {"Cookie": _cookie(server.get(f"{mount}/"))}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: server.get(f"{mount}/slow", headers=cookie).status, range(24)))
    assert answers == [200] * 24
    assert server.get(f"{mount}/", headers=cookie).body == b"26"


def test_a_new_id_at_login_makes_the_old_one_worthless(both: Pair) -> None:
    server = both.webpy.server
    old = {"Cookie": _cookie(server.get("/"))}
    new = {"Cookie": _cookie(server.get("/login", headers=old))}
    assert new != old
    assert server.get("/items", headers=new).body == b"[('n', 1), ('user', 'ann')]"
    assert server.get("/items", headers=old).body == b"[]"


def test_a_deleted_session_is_gone_also_when_it_was_touched(both: Pair) -> None:
    server = both.webpy.server
    cookie = {"Cookie": _cookie(server.get("/"))}
    server.get("/delete", headers=cookie)
    assert server.get("/items", headers=cookie).body == b"[]"


def test_a_lock_that_was_released_keeps_what_was_changed(both: Pair) -> None:
    for path in ("/", "/locked", "/items", "/locked", "/items"):
        both.same("GET", f"/explicit{path}", session="locked")


def test_a_session_that_was_deleted_can_go_on_as_another(both: Pair) -> None:
    server = both.webpy.server
    for mount in ("", "/in_files"):
        first = {"Cookie": _cookie(server.get(f"{mount}/"))}
        second = {"Cookie": _cookie(server.get(f"{mount}/leaves", headers=first))}
        assert second != first
        assert server.get(f"{mount}/items", headers=first).body == b"[]"
        assert server.get(f"{mount}/items", headers=second).body == b"[('after', 1)]"


def test_an_error_that_nobody_expected_lets_the_next_request_in(both: Pair) -> None:
    server = both.webpy.server
    cookie = {"Cookie": _cookie(server.get("/"))}
    for _ in range(3):
        assert server.get("/bad/", headers=cookie).status == 500
    assert server.get("/", headers=cookie).body == b"2"


def test_values_come_back_as_they_were() -> None:
    for value in (
        {"a": [1, 2.5, True, None, "é"]},
        {1: "one", (1, 2): {"x"}, "$odd": b"\x00\xff", None: frozenset({3})},
        {"$bytes": "not bytes"},
        (1, (2, [3])),
        datetime.datetime(2026, 11, 21, 13, 0, tzinfo=datetime.UTC),
        datetime.date(2026, 11, 21),
        datetime.time(13, 5),
        datetime.timedelta(days=1, microseconds=3),
        decimal.Decimal("1.10"),
        uuid.UUID(int=5),
        2 + 3j,
    ):
        came = from_json(to_json(value))
        assert came == value
        assert type(came) is type(value)


def test_a_value_that_cannot_be_kept_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot keep an object of type object"):
        to_json({"a": [object()]})
