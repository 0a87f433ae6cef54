"""Bearer, with the errors of RFC 6750 section 3.1."""

from __future__ import annotations

import pytest

from tests.server import Answer, Server


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Token"])
def test_tokens(site: Server, scheme: str) -> None:
    def ask(token: str, method: str = "GET") -> Answer:
        return site.request(method, "/bearer", headers={"Authorization": f"{scheme} {token}"})

    assert ask("abc.DEF-1_~+/=").body == b"robot"
    for answer, status, error in (
        (ask("abc"), 401, "invalid_token"),
        (ask("a b"), 400, "invalid_request"),
        (ask("reads", "PUT"), 403, "insufficient_scope"),
    ):
        assert answer.status == status
        assert answer.headers.get_all("WWW-Authenticate") == [f'Bearer realm="webpy", error="{error}"']
    assert ask("abc.DEF-1_~+/=", "PUT").status == 200
    assert ask("reads").body == b"reader"


def test_without_a_token_no_error_is_named(site: Server) -> None:
    assert site.get("/bearer").headers.get_all("WWW-Authenticate") == ['Bearer realm="webpy"']
    assert site.get("/bearer?access_token=reads").status == 404  # the route has no query
