"""What a request's scheme decides: which plans vary, and what becomes of them. tests/wire asks real servers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.heads import head_bytes
from tests.worker.rig import Rig
from webpy import HTTPHandler
from webpy.testing import Client
from webpy.worker.schemes import redirect_port


class Hello(HTTPHandler):
    def do_get(self) -> Any:
        return 200, self.request.scheme


@pytest.mark.parametrize(
    ("given", "varies"),
    [
        ({}, False),
        ({"hsts": 60}, True),
        ({"https_redirect": True, "forwarded_allow_ips": "*"}, True),
        ({"forwarded_allow_ips": "*"}, False),
    ],
)
def test_plans_vary_only_where_something_is_asked_for(
    rig: Callable[..., Rig], given: dict[str, Any], varies: bool
) -> None:
    heads = rig({"/": Hello}, **given).heads
    assert {heads.plan(head_bytes()).varies for _ in range(3)} == {varies}
    assert bool(heads.recent) is not varies  # what the loop runs at once


@pytest.mark.parametrize(("ports", "expected"), [([], 443), ([8443], 8443), ([8443, 9443], 8443), ([8443, 443], 443)])
def test_where_redirects_lead(ports: list[int], expected: int) -> None:
    assert redirect_port(ports) == expected


@pytest.mark.parametrize(("base", "expected"), [("http://a", None), ("https://a", "max-age=60")])
def test_a_client_of_tests_sees_it_too(base: str, expected: str | None) -> None:
    with Client({"/": Hello}, base_url=base, hsts=60) as client:
        assert [client.get("/").headers.get("Strict-Transport-Security") for _ in range(3)] == [expected] * 3


def test_so_it_does_redirects() -> None:
    with Client({"/": Hello}, base_url="http://a:80", https_redirect=True, forwarded_allow_ips="*") as client:
        answer = client.get("/?x")
        assert (answer.status, answer.headers["Location"]) == (308, "https://a/?x")
        assert client.get("/", headers={"X-Forwarded-Proto": "https"}).text == "https"


def test_a_refusal_has_the_fields_of_its_scheme() -> None:
    """The same head comes by both, and is refused by either (`--max-request-rate`)."""
    with Client({"/": Hello}, hsts=60, max_request_rate=1, forwarded_allow_ips="10.0.0.1") as client:
        for base, expected in (("http://a/", None), ("https://a/", "max-age=60"), ("http://a/", None)):
            answers = [client.get(base) for _ in range(4)]
            assert answers[-1].status == 429
            assert {answer.headers.get("Strict-Transport-Security") for answer in answers} == {expected}
