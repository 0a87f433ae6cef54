"""webpy.json.handler: which bodies it takes, what it sends; the example on two workers."""

from __future__ import annotations

import io
import json as standard
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.heads import request_of
from tests.server import ROOT, Server
from webpy import HTTPError, HTTPHandler, json

Serve = Callable[..., Server]
JSON = {"Content-Type": "application/json"}


class Echo(json.JSONHandler):
    def do_post(self) -> tuple[int, Any]:
        return 200, self.request.body

    do_get = do_delete = do_put = do_post


def handled(
    method: str = "POST", *fields: str, body: bytes = b"", handler: type[HTTPHandler] = Echo
) -> tuple[Any, HTTPHandler]:
    made = handler(request_of(method, "/", *fields, body=body), ())  # type: ignore[arg-type]
    return made.respond(), made


def refusal(*arguments: Any, **keywords: Any) -> HTTPError:
    with pytest.raises(HTTPError) as caught:
        handled(*arguments, **keywords)
    return caught.value


@pytest.mark.parametrize(
    "stated",
    [
        "application/json",
        "Application/JSON; charset=UTF-8",
        'application/json;charset="utf-8"',
        "application/merge-patch+json",
        "application/json; profile=x",
    ],
)
def test_types_that_are_taken(stated: str) -> None:
    (status, body), handler = handled("POST", f"Content-Type: {stated}", body=b"[1]")
    assert (status, body, handler.request.body) == (200, b"[1]", [1])
    assert handler.response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ("Content-Type: text/plain",),
        ("Content-Type: application/x-www-form-urlencoded",),
        ("Content-Type: application/jsonx",),
        ("Content-Type: text/plain; application/json",),
        ("Content-Type: application/x/y+json",),
        ("Content-Type: application/json; charset=latin-1",),
        ("Content-Type: ",),
    ],
)
def test_types_that_are_not(fields: tuple[str, ...]) -> None:
    error = refusal("POST", *fields, body=b"[1]")
    assert error.status == 415
    assert error.headers is not None and error.headers["Accept"] == "application/json"


def test_a_coded_body_is_not_taken() -> None:
    error = refusal("POST", "Content-Type: application/json", "Content-Encoding: gzip", body=b"[1]")
    assert error.status == 415
    assert error.headers is not None and error.headers["Accept-Encoding"] == "identity"


def test_no_body() -> None:
    assert refusal("POST").status == refusal("PUT", "Content-Length: 0").status == 400
    assert handled("GET")[0] == handled("DELETE")[0] == (200, None)
    assert handled("GET")[1].request.body is None
    assert refusal("PATCH").status == 405

    class Lenient(Echo):
        json_required = frozenset()

    assert handled("POST", handler=Lenient)[0] == (200, None)


def test_bodies_that_are_no_json_leave_as_they_are() -> None:
    stream, lines = io.BytesIO(b"x"), iter([b"{}\n"])

    class Raw(json.JSONHandler):
        def do_get(self) -> tuple[int, Any]:
            return 200, b"null"

        def do_delete(self) -> tuple[int, str, Any]:
            return 200, "Fine", stream

        def do_unlink(self) -> tuple[int, Any]:
            return 200, lines

        def do_link(self) -> tuple[int, str, Any]:
            self.response.headers.set("Content-Type", "application/problem+json")
            return 200, "Fine", {"ü": [1.5, None, True]}

    for method, result in {"GET": (200, b"null"), "DELETE": (200, "Fine", stream), "UNLINK": (200, lines)}.items():
        got, handler = handled(method, handler=Raw)
        assert got == result
        assert "Content-Type" not in handler.response.headers
    got, handler = handled("LINK", handler=Raw)
    assert got == (200, "Fine", '{"ü": [1.5, null, true]}'.encode())
    assert handler.response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, {"a": b"x"}, "\ud800", object()])
def test_what_cannot_be_sent(value: Any) -> None:
    class Bad(json.JSONHandler):
        def do_get(self) -> tuple[int, Any]:
            return 200, value

    with pytest.raises((TypeError, ValueError)):
        handled("GET", handler=Bad)


def test_values_of_other_types() -> None:
    class Sets(json.JSONHandler):
        def json_default(self, value: Any) -> Any:
            return sorted(value) if isinstance(value, set) else super().json_default(value)

        def do_get(self) -> tuple[int, Any]:
            return 200, {"set": {2, 1}}

    assert handled("GET", handler=Sets)[0] == (200, b'{"set": [1, 2]}')


def test_the_example(serve: Serve) -> None:
    server = serve(ROOT / "examples" / "json_notes.py", "--workers", "2")

    def asked(method: str, path: str, body: Any = None, headers: Any = JSON) -> tuple[int, Any]:
        text = body if body is None or isinstance(body, bytes) else standard.dumps(body).encode()
        answer = server.request(method, path, text, headers)
        if answer.body:
            assert answer.headers["Content-Type"] == "application/json"
        return answer.status, standard.loads(answer.body) if answer.body else None

    assert asked("GET", "/notes") == (200, {"notes": []})
    for number in range(1, 9):
        assert asked("POST", "/notes", {"text": f"grüße {number}"}) == (201, {"text": f"grüße {number}"})
    assert asked("GET", "/notes") == (200, {"notes": [f"/notes/{number}" for number in range(1, 9)]})
    assert asked("PUT", "/notes/3", {"text": "three"}) == (200, {"text": "three"})
    assert [asked("GET", "/notes/3") for _ in range(4)] == [(200, {"text": "three"})] * 4
    # an idle connection would delay the stop by a second
    answer = requests.put(f"{server.url}/notes/2", json={"text": "zwölf"}, headers={"Connection": "close"}, timeout=10)
    assert (answer.status_code, answer.json()) == (200, {"text": "zwölf"})
    assert asked("DELETE", "/notes/3") == (204, None)
    assert asked("DELETE", "/notes/3") == asked("PUT", "/notes/3", {"text": ""}) == (404, NOT_FOUND)

    status, told = asked("POST", "/notes", b'{"text":\n oops}')
    assert (status, told["message"]) == (400, "JSON: line 2 column 2: Expecting value")
    for bad in (b"", b"[1]", b"{}", b'{"text": 1}', b'{"text": NaN}', b'{"text":"","text":""}', b'{"text":"\xff"}'):
        assert asked("POST", "/notes", bad)[0] == 400
    assert asked("POST", "/notes", b'{"text": ""}', {})[0] == 415
    too_long = b'{"text": "' + b"x" * (1 << 20) + b'"}'  # refused before a handler is found: in plain text
    assert server.request("POST", "/notes", too_long, JSON).status == 413
    assert server.request("PATCH", "/notes", b"{}", JSON).headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert len(asked("GET", "/notes")[1]["notes"]) == 7  # nothing of it was stored
    with server.connect() as sock:  # refused before its body is sent
        sock.sendall(b"POST /notes HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert sock.recv(1000).startswith(b"HTTP/1.1 415 ")
    assert server.stop() == 0


NOT_FOUND = {"error": 404, "status": "Not Found"}
