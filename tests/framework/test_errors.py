"""HTTPError and what renders it."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any

import pytest

import webpy
from tests.heads import request_of
from webpy import HTTPError, HTTPErrorHandler, HTTPHeaders
from webpy.framework.errorhandler import compile_error_routes
from webpy.framework.routing.routes import RouteTable, compile_routes


def rendered(error: HTTPError, table: RouteTable | None = None) -> tuple[object, HTTPHeaders]:
    renderer = (table or compile_routes({})).error_handler(request_of(), error)
    result = renderer.respond()
    return result, renderer.response.headers


@pytest.mark.parametrize("status", [100, 199, 600, -1, "404", 404.0, None, True])
def test_a_status_that_ends_no_request_is_refused(status: object) -> None:
    with pytest.raises(ValueError, match=f"got status {status!r}, wanted a number from 200 to 599"):
        HTTPError(status)  # type: ignore[arg-type]


def test_a_status_of_the_standard_library_is_a_number() -> None:
    error = HTTPError(HTTPStatus.NOT_FOUND)
    assert (type(error.status), error.status, error.code) == (int, 404, 404)
    assert str(error) == "404 Not Found"


def test_the_standard_body_is_status_and_reason() -> None:
    assert rendered(HTTPError(404))[0] == (404, "Not Found", "404 - Not Found\n")
    assert rendered(HTTPError(404, status_message="Gone Fishing"))[0] == (404, "Gone Fishing", "404 - Gone Fishing\n")
    assert rendered(HTTPError(499))[0] == (499, "Unknown", "499 - Unknown\n")


@pytest.mark.parametrize("message", ["no\n", b"\x00no", ""])
def test_a_message_is_the_body(message: str | bytes) -> None:
    assert rendered(HTTPError(400, message))[0] == (400, "Bad Request", message)


def test_headers_go_out_and_stay_the_errors_own() -> None:
    headers = HTTPHeaders([("WWW-Authenticate", "Any"), ("WWW-Authenticate", "Basic")])
    error = HTTPError(401, headers=headers)
    _, sent = rendered(error)
    assert sent.getlist("WWW-Authenticate") == ["Any", "Basic"]
    sent.set("X", "1")  # by an error handler, of an error that is kept and raised again
    assert "X" not in headers
    assert rendered(HTTPError(503, headers={"Retry-After": "5"}))[1]["Retry-After"] == "5"


class Fancy(HTTPErrorHandler):
    def format(self) -> str:
        self.response.headers.set("X-Fancy", "yes")
        return f"<h1>{self.error.status}</h1>{self.groups!r}{self.request.resource}"


class Other(HTTPErrorHandler):
    pass


def test_error_routes_match_the_whole_status_in_order() -> None:
    error_routes = {re.compile("41."): Other, "40": Other, "4(.)(?P<last>.)": Fancy, "4..": Other, 503: Other}
    table = compile_routes({}, error_routes)
    result, headers = rendered(HTTPError(404), table)
    assert result == (404, "Not Found", "<h1>404</h1>('0', '4')/")
    assert headers["X-Fancy"] == "yes"
    for status, kind in ((404, Fancy), (503, Other), (418, Other), (500, HTTPErrorHandler)):
        assert type(table.error_handler(request_of(), HTTPError(status))) is kind


def test_a_bad_error_route_is_named() -> None:
    with pytest.raises(ValueError, match=r"error route '\(': not a regular expression"):
        compile_error_routes({"(": Fancy})
    with pytest.raises(ValueError, match=r"error route '500': got 'oops', wanted a subclass of HTTPErrorHandler"):
        compile_error_routes({"500": "oops"})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="wanted a subclass of HTTPErrorHandler"):
        compile_error_routes({500: HTTPError})  # type: ignore[dict-item]
    key: Any
    for key in (None, 4.5, b"4..", webpy.path("/a"), *webpy.host("a.org", {"4..": Fancy})):
        with pytest.raises(ValueError, match=f"error route {re.escape(repr(key))}: wanted a regular expression on the"):
            compile_error_routes({key: Fancy})


@pytest.mark.parametrize("message", [{"error": "who?", "n": [1]}, {}, ["a", {"b": None}], []])
def test_a_dict_or_list_is_sent_as_json(message: object) -> None:
    (status, _, body), headers = rendered(HTTPError(401, message))  # type: ignore[arg-type, misc]
    assert (status, json.loads(body)) == (401, message)
    assert headers["Content-Type"] == "application/json"


def test_a_dict_is_sent_as_the_json_that_the_error_says() -> None:
    (_, _, body), headers = rendered(HTTPError(400, {"a": 1}, {"Content-Type": "application/problem+json"}))  # type: ignore[misc]
    assert json.loads(body) == {"a": 1}
    assert headers["Content-Type"] == "application/problem+json"
