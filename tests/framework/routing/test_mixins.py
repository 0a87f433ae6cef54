"""Mix-ins of a whole target: what is put before which handler, whose options count, and which values are refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

import webpy.file
import webpy.wsgi
from tests.heads import request_of
from webpy import HTTPError, HTTPErrorHandler, HTTPHandler
from webpy.auth import BasicAuthMixIn, TokenAuthMixIn
from webpy.caching import CachingMixIn
from webpy.cors import CORSMixIn
from webpy.framework.routing.mixins import check_mixins, put_before
from webpy.framework.routing.routes import compile_routes
from webpy.page import PageHandler
from webpy.requestid import RequestIDMixIn
from webpy.session import SessionMixIn
from webpy.store import MemoryStore


class Notes(HTTPHandler):
    """Notes of a test."""

    def do_get(self) -> Any:
        return 200, "notes"


class Marking(HTTPHandler):
    def respond(self) -> Any:
        self.response.headers.add("X-Mark", "here")
        self.request.error_headers.add("X-Mark", "here")
        return super().respond()


class Plain:
    """A mix-in that is no subclass of anything."""

    def respond(self: Any) -> Any:
        self.response.headers.add("X-Plain", "here")
        return super().respond()  # type: ignore[misc]


def names(handler: type) -> list[str]:
    return [cls.__name__ for cls in handler.__mro__[1:]]


def test_they_stand_before_each_handler_outermost_first() -> None:
    table = compile_routes({"/a": Notes, "/b": Notes, "/c": Marking}, {}, (RequestIDMixIn, Marking, Plain))
    first, second, third = (route.handler for route in table.routes)
    assert first is second  # made once
    assert names(first)[:4] == ["RequestIDMixIn", "Marking", "Plain", "Notes"]
    assert names(third)[:3] == ["RequestIDMixIn", "Plain", "Marking"]  # it has one itself
    assert (first.__name__, first.__qualname__, first.__module__, first.__doc__) == (
        "Notes",
        "Notes",
        __name__,
        "Notes of a test.",
    )
    handler = first(request_of("GET", "/a"), ())  # type: ignore[arg-type]
    assert handler.respond() == (200, "notes")
    assert [name for name, _ in handler.response.headers] == ["X-Request-ID", "X-Mark", "X-Plain"]


def test_they_stand_before_what_no_handler_answers() -> None:
    table = compile_routes({"/a": Notes}, {}, (RequestIDMixIn,))
    for resource, method, status in (("/nowhere", "GET", 404), ("*", "OPTIONS", 204)):
        route, groups = table.resolve(resource)
        handler = route.handler(request_of(method, resource), groups)
        try:
            found = handler.respond()[0]
        except HTTPError as error:
            found = error.status
        assert found == status and handler.request.error_headers["X-Request-ID"]


def test_without_any_nothing_is_made() -> None:
    table = compile_routes({"/a": Notes})
    assert table.routes[0].handler is Notes and table.mixins == ()
    assert put_before((Marking,), Marking) is Marking


def test_a_handler_with_the_feature_keeps_its_own() -> None:
    class Site(CORSMixIn):
        cors_origins: tuple[str, ...] = ("https://site.example",)

    class Shared(CORSMixIn, Notes):
        cors_origins = ("https://shared.example",)

    assert put_before((Site,), Shared) is Shared
    both = put_before((RequestIDMixIn, Site), Shared)
    assert names(both)[:2] == ["RequestIDMixIn", "Shared"] and "Site" not in names(both)


def test_a_mix_in_that_does_more_than_its_feature_is_not_left_out() -> None:
    class AdminOnly(SessionMixIn):
        session_store = MemoryStore(per_worker=True)

        def respond(self) -> Any:
            if "admin" not in self.session:
                raise HTTPError(403)
            return super().respond()

    class Kept(SessionMixIn, Notes):
        session_store = AdminOnly.session_store

    made = put_before((AdminOnly,), Kept)
    assert names(made)[:3] == ["AdminOnly", "Kept", "SessionMixIn"]
    with pytest.raises(HTTPError, match="403"):
        made(request_of(), ()).respond()  # type: ignore[arg-type]


class Login(BasicAuthMixIn):
    def login(self, user: str, password: str) -> Any:
        return user


def test_a_handler_with_a_login_of_another_scheme_keeps_that() -> None:
    class Tokens(TokenAuthMixIn, Notes):
        def token(self, token: str) -> Any:
            return token == "secret"

    made = put_before((Login,), Tokens)
    for credentials, status in (("Bearer secret", 200), ("Bearer other", 401), ("Basic eDp5", 401)):
        handler = made(request_of("GET", "/", f"Authorization: {credentials}"), ())  # type: ignore[arg-type]
        try:
            found = handler.respond()[0]
        except HTTPError as error:
            found = error.status
        assert found == status


def test_two_that_decide_the_same_are_refused() -> None:
    """Either would let somebody in whom the other would not."""

    class Admin(BasicAuthMixIn, Notes):
        def login(self, user: str, password: str) -> Any:
            return user == "admin"

    with pytest.raises(ValueError) as caught:
        put_before((Login,), Admin)
    told = str(caught.value).replace(f"{test_two_that_decide_the_same_are_refused.__name__}.<locals>.", "")
    assert told == (
        "mixins: Login cannot stand before Admin, which has BasicAuthMixIn itself: Login.login would replace that of "
        "Admin; make it a subclass of Login, and it keeps its own"
    )

    class Staff(Login, Notes):
        def login(self, user: str, password: str) -> Any:
            return user == "staff"

    assert put_before((Login,), Staff) is Staff


def test_an_option_that_a_handler_sets_counts_for_it() -> None:
    class Site(CORSMixIn):
        cors_origins = ("https://site.example",)
        cors_max_age_s = 5

    class Open(Notes):
        cors_origins = ("*",)
        cors_allows = 5  # no option: a method of the mix-in's

    class Same(Notes):
        pass

    opened, same = (put_before((Site,), each) for each in (Open, Same))
    assert (opened.cors_origins, opened.cors_max_age_s) == (("*",), 5)  # type: ignore[attr-defined]
    assert callable(opened.cors_allows)  # type: ignore[attr-defined]
    assert same.cors_origins == ("https://site.example",)  # type: ignore[attr-defined]

    class Kept(SessionMixIn):
        session_store = MemoryStore(per_worker=True)

    class Short(Notes):
        session_idle_s = 7.0

    assert put_before((Kept,), Short)._terms.idle_s == 7.0  # type: ignore[attr-defined]


def test_a_bundle_of_features() -> None:
    class Site(RequestIDMixIn, CORSMixIn):
        cors_origins = ("https://site.example",)

    class Both(RequestIDMixIn, CORSMixIn, Notes):
        pass

    class One(RequestIDMixIn, Notes):
        pass

    assert names(put_before((Site,), Notes))[:4] == ["Site", "RequestIDMixIn", "CORSMixIn", "Notes"]
    assert put_before((Site,), Both) is Both
    with pytest.raises(ValueError, match="which has RequestIDMixIn, a part of it: list the parts in mixins, or leave"):
        put_before((Site,), One)


@pytest.mark.parametrize(
    "routes",
    [
        {"/a": Notes},
        webpy.file.new(".", "/a"),
        webpy.wsgi.new(lambda environ, start_response: [], "/a"),
    ],
)
def test_before_hosts_too(routes: dict[str, type[HTTPHandler]]) -> None:
    (route,) = compile_routes(routes, {}, (RequestIDMixIn, CachingMixIn)).routes
    assert names(route.handler)[:2] == ["RequestIDMixIn", "CachingMixIn"]
    assert route.handler.decodes_path == next(iter(routes.values())).decodes_path


def test_a_wrong_order_says_what_stands_before_what() -> None:
    with pytest.raises(ValueError) as caught:
        compile_routes({"/a": Notes}, {}, (CachingMixIn, BasicAuthMixIn))
    told = str(caught.value)
    assert told.startswith("mixins: CachingMixIn, BasicAuthMixIn cannot stand before Notes: ")
    assert told.endswith("The right order is BasicAuthMixIn, CachingMixIn")

    class Cross(CORSMixIn, Notes):
        pass

    with pytest.raises(ValueError) as caught:
        compile_routes({"/a": Cross}, {}, (BasicAuthMixIn,))
    told = str(caught.value)
    assert re.match(
        "mixins: BasicAuthMixIn cannot stand before .*Cross: .*Cross must stand before BasicAuthMixIn: ", told
    )
    assert told.endswith("; move CORSMixIn from its bases into mixins: options that it sets still count for it")
    compile_routes({"/a": Notes}, {}, (CORSMixIn, BasicAuthMixIn))


class Wrong(HTTPErrorHandler):
    pass


class Coroutine(HTTPHandler):
    async def respond(self) -> Any:
        return 200, ""


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (RequestIDMixIn, "got the class RequestIDMixIn, wanted a tuple: (RequestIDMixIn,)"),
        (None, "got None, wanted a tuple of mix-in classes, such as (RequestIDMixIn, CORSMixIn)"),
        ("CORSMixIn", "got 'CORSMixIn', wanted a tuple"),
        ({RequestIDMixIn}, "got {<class"),
        (("CORSMixIn",), "got 'CORSMixIn', wanted a tuple of mix-in classes"),
        ((HTTPHandler,), "got HTTPHandler, which answers by itself"),
        ((Notes,), "got Notes, which answers GET by itself"),
        ((PageHandler,), "got PageHandler, which answers GET by itself"),
        ((webpy.wsgi.WSGIHandler,), "got WSGIHandler, which answers by itself"),
        ((Wrong,), "got Wrong, which answers by itself"),
        ((str,), "got the class str"),
        ((RequestIDMixIn, RequestIDMixIn), "RequestIDMixIn is there twice"),
        ((Coroutine,), "Coroutine.respond is an async def, wanted def"),
    ],
)
def test_what_is_no_mix_in_is_refused(given: Any, told: str) -> None:
    with pytest.raises(ValueError, match="mixins: " + re.escape(told)):
        check_mixins(given)


def test_a_list_will_do() -> None:
    assert check_mixins([RequestIDMixIn, Plain]) == (RequestIDMixIn, Plain)
