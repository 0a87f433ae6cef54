"""webpy.json.errors: errors as JSON."""

from __future__ import annotations

import json as standard
from collections.abc import Iterator
from typing import Any

import pytest

from tests.heads import request_of
from webpy import HTTPError, HTTPErrorHandler, json
from webpy.framework.routing.routes import compile_routes


def rendered(error: HTTPError) -> tuple[Any, Any]:
    handler = compile_routes({}, json.new_error()).error_handler(request_of(), error)
    status, reason, body = handler.respond()
    assert (status, reason) == (error.status, error.status_message)
    try:
        return standard.loads(body), handler.response.headers.get("Content-Type")
    except ValueError:
        return body, handler.response.headers.get("Content-Type")


@pytest.mark.parametrize(
    ("told", "body"),
    [
        (None, {"error": 404, "status": "Not Found"}),
        ('no "ü"\n', {"error": 404, "status": "Not Found", "message": 'no "ü"'}),
        (b"no\xff", {"error": 404, "status": "Not Found", "message": "no\ufffd"}),
        ({"detail": 1}, {"detail": 1}),
        ([1], [1]),
    ],
)
def test_errors(told: Any, body: Any) -> None:
    assert rendered(HTTPError(404, told)) == (body, "application/json")
    assert rendered(HTTPError(404, told, {"Content-Type": "text/html"})) == (body, "application/json")
    problem = "application/problem+json; charset=utf-8"
    assert rendered(HTTPError(404, told, {"Content-Type": problem})) == (body, problem)


def test_an_errors_stream_is_closed() -> None:
    closed: list[bool] = []

    def pieces() -> Iterator[bytes]:
        try:
            yield b"x"
        finally:
            closed.append(True)

    stream = pieces()
    next(stream)
    assert rendered(HTTPError(500, stream))[0] == {"error": 500, "status": "Internal Server Error"}
    assert closed == [True]


def test_other_statuses_stay_as_they_are() -> None:
    assert rendered(HTTPError(303, "x")) == ("x", None)
    assert json.new_error("404") == {"404": json.JSONErrorHandler}
    assert json.new_error(handler=HTTPErrorHandler) == {"[45][0-9]{2}": HTTPErrorHandler}
    assert issubclass(json.JSONHandler, json.JSONMixIn) and issubclass(json.JSONErrorHandler, json.JSONErrorMixIn)
