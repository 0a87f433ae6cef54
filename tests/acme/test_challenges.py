"""Which requests are challenges: before the routes, and no others."""

from __future__ import annotations

from typing import Any

import pytest

from webpy.acme.challenges import ChallengeRoutes
from webpy.framework.handler import HTTPHandler
from webpy.framework.routing.hosts import host
from webpy.framework.routing.routes import compile_routes
from webpy.settings import resolve

TOKEN = "t" * 43


class App(HTTPHandler):
    def do_get(self) -> Any:
        return 200, "ours"


class Whole(App):
    decodes_path = True


def routes(**given: type[HTTPHandler]) -> ChallengeRoutes:
    found = dict.fromkeys(("/.*",), given["one"])
    return ChallengeRoutes(compile_routes({**host("a.example", found), **found}), resolve({}, {}))


@pytest.mark.parametrize("handler", [App, Whole])
@pytest.mark.parametrize("authority", ["", "a.example", "b.example:8080"])
@pytest.mark.parametrize("token", ["A-Za-z0-9_-" * 2, TOKEN, "t" * 128])
def test_challenges_come_before_all_routes(handler: type[HTTPHandler], authority: str, token: str) -> None:
    route, groups = routes(one=handler).resolve(f"/.well-known/acme-challenge/{token}", authority)
    assert route.handler.__name__ == "ChallengeHandler"
    assert groups[0] == token


@pytest.mark.parametrize(
    "path", ["", "t" * 19, "t" * 129, f"{TOKEN}/", f"{TOKEN}?a", f"{TOKEN}.", f"%2e/{TOKEN}", "\N{SNOWMAN}" * 30]
)
def test_what_is_no_token_is_the_applications(path: str) -> None:
    assert routes(one=App).resolve(f"/.well-known/acme-challenge/{path}")[0].handler is App


def test_other_paths_are_the_applications() -> None:
    for path in ("/", "/.well-known/security.txt", f"/x/.well-known/acme-challenge/{TOKEN}"):
        assert routes(one=App).resolve(path)[0].handler is App
