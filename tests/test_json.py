"""webpy.json: what is read, what is refused and where it says so, what is sent; the example on two workers."""

from __future__ import annotations

import io
import json as standard
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from tests.heads import request_of
from tests.server import ROOT, Server
from webpy import HTTPError, HTTPErrorHandler, HTTPHandler, json
from webpy.framework.routes import compile_routes

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


def message(body: bytes, depth: int = 100) -> str:
    with pytest.raises(HTTPError) as caught:
        json.loads(body, depth)
    assert caught.value.status == 400
    return str(caught.value.message)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=20,
)


def test_the_standard_module_is_not_hidden() -> None:
    source = "import json, webpy.json; assert json.loads('1') == 1 and webpy.json.json is json is not webpy.json"
    subprocess.run([sys.executable, "-c", source], check=True, cwd=ROOT)


@given(VALUES)
def test_values_come_back(value: Any) -> None:
    assert json.loads(json.dumps(value)) == value
    assert json.loads(standard.dumps(value, indent=1).encode()) == value


@given(st.binary() | st.text('{}[]",:\\u \n0123dDeE-NaInfity', max_size=30).map(str.encode))
def test_any_bytes_are_a_value_or_a_400(body: bytes) -> None:
    try:
        value = json.loads(body, 5)
    except HTTPError as error:
        assert error.status == 400
    else:
        assert value == standard.loads(body.decode("utf-8-sig"))


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "line 1 column 1"),
        (b"{", "line 1 column 2"),
        (b'{"a": }', "line 1 column 7"),
        (b'{"a": 1,\n "b": x}', "line 2 column 7"),
        ("{\r\n\t'ü': 1}".encode(), "line 2 column 2"),
        ('["ü", x]'.encode(), "line 1 column 7"),
        (b"1 2", "line 1 column 3"),
        (b'["NaN",\nNaN]', "line 2 column 1: NaN is not a number of JSON"),
        (b'["-Infinity", [-Infinity]]', "line 1 column 16: -Infinity is"),
        (b'{"\\"1e999":\n 1e999}', "line 2 column 2: 1e999 is"),
        (b"[Infinityx]", "line 1 column 2: Infinity is"),
        (b'["a\\\\", ' + b"1" * 5000 + b"]", "line 1 column 9: an integer has too many digits"),
        (b"-" + b"1" * 5000, "line 1 column 1: an integer"),
        (b'{"a":\n "\xff"}', "line 2 column 3: byte 0xff is not UTF-8"),
        (b"\xef\xbb\xbf[\xc3", "line 1 column 2: byte 0xc3 is not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "line 1 column 1: byte 0xff"),
        (b'"\xed\xa0\x80"', "line 1 column 2: byte 0xed"),
        (b'"a\x00"', "line 1 column 3"),
    ],
)
def test_the_place_is_told(body: bytes, place: str) -> None:
    assert message(body).startswith(f"JSON: {place}")


def test_other_refusals() -> None:
    assert message(b'[{"a": 1, "b": 2, "a": 3}]') == 'JSON: the name "a" stands twice in an object\n'
    assert message(b'{"\\u0061": 1, "a": 1}') == 'JSON: the name "a" stands twice in an object\n'
    assert "half of a surrogate pair" in message(b'["\\ud83d"]')
    assert "half of a surrogate pair" in message(b'{"\\uDE00": 1}')
    assert len(message(b'{"' + b"a" * 999 + b'": 1, "' + b"a" * 999 + b'": 1}')) < 120


def test_what_is_taken() -> None:
    assert json.loads(b"\xef\xbb\xbf [1] \r\n") == [1]
    assert json.loads(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"
    assert json.loads(b'"\\\\ud83d"') == "\\ud83d"
    assert json.loads(b'[{"a": 1}, {"a": 2}, {"": null}]') == [{"a": 1}, {"a": 2}, {"": None}]
    assert json.loads(b"[1.5e308, -0.0, 1e-999, " + b"9" * 4300 + b"]")[:3] == [1.5e308, 0.0, 0.0]


def test_the_depth_is_limited() -> None:
    assert json.loads(b"[" * 100 + b"]" * 100)
    assert json.loads(b"[" + b'{"[[[": []},' * 200 + b"0]", 3)
    assert "line 1 column 101: arrays and objects go deeper than 100" in message(b"[" * 101 + b"]" * 101)
    assert "line 2 column 6: arrays and objects go deeper than 2" in message(b'["[", "{\\"",\n{"": []}, {}]', 2)
    assert "deeper" in message(b'{"a":' * 500_000)
    assert json.loads(b'"' + b"[" * 200 + b'"') == "[" * 200


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"[]," * 100 + b'"' + b'\\"' * 400_000,  # each quote might begin a string that is never closed
        b'["a' * 200_000,
        b"[" * 99 + b"[]," * 200_000,
        b'["' + b"\\\\" * 400_000 + b'", NaN]',
        b"[" + b"1," * 400_000 + b"1e999]",
        b'["' + b"\\ud83d\\ude00" * 80_000 + b'\\ud800"]',
    ],
    ids=["quotes", "strings", "brackets", "backslashes", "numbers", "surrogates"],
)
def test_no_input_takes_long(body: bytes) -> None:
    began = time.thread_time()
    message(body)
    assert time.thread_time() - began < 2


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
    assert (json.JSONMixIn, json.JSONErrorMixIn) == (json.JSONHandler, json.JSONErrorHandler)


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
    # an idle connection would have a second at the stop
    answer = requests.put(f"{server.url}/notes/2", json={"text": "zwölf"}, headers={"Connection": "close"}, timeout=10)
    assert (answer.status_code, answer.json()) == (200, {"text": "zwölf"})
    assert asked("DELETE", "/notes/3") == (204, None)
    assert asked("DELETE", "/notes/3") == asked("PUT", "/notes/3", {"text": ""}) == (404, NOT_FOUND)

    status, told = asked("POST", "/notes", b'{"text":\n oops}')
    assert (status, told["message"]) == (400, "JSON: line 2 column 2: Expecting value")
    for bad in (b"", b"[1]", b"{}", b'{"text": 1}', b'{"text": NaN}', b'{"text":"","text":""}', b'{"text":"\xff"}'):
        assert asked("POST", "/notes", bad)[0] == 400
    assert asked("POST", "/notes", b'{"text": ""}', {})[0] == 415
    too_long = b'{"text": "' + b"x" * (1 << 20) + b'"}'  # refused before there is a handler: in plain text
    assert server.request("POST", "/notes", too_long, JSON).status == 413
    assert server.request("PATCH", "/notes", b"{}", JSON).headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert len(asked("GET", "/notes")[1]["notes"]) == 7  # nothing of it was stored
    with server.connect() as sock:  # before its body is sent
        sock.sendall(b"POST /notes HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert sock.recv(1000).startswith(b"HTTP/1.1 415 ")
    assert server.stop() == 0


NOT_FOUND = {"error": 404, "status": "Not Found"}
