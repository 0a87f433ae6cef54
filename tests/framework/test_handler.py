"""HTTPHandler: which method answers, HEAD, OPTIONS and 405, and the hooks around it.

`answer` runs a handler as the worker does: straight into its method where nothing is to be done around it.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.heads import request_of
from webpy import HTTPError, HTTPHandler, HTTPHeaders
from webpy.framework.routing.routes import Route, compile_routes


def answer(cls: type[HTTPHandler], method: str = "GET", body: bytes = b"", target: str = "/") -> Any:
    handler = made(cls, method, body, target)
    return Route("/", cls).call(method)(handler)


def made(cls: type[HTTPHandler], method: str = "GET", body: bytes = b"", target: str = "/") -> HTTPHandler:
    _, groups = compile_routes({"/(.*)": cls}).resolve(target)
    return cls(request_of(method, target, body=body), groups)


class Note(HTTPHandler):
    def do_get(self) -> Any:
        return 200, f"note {self.groups[0]}"

    def do_put(self) -> Any:
        self.response.headers.set("X-Put", "yes")
        return 201, "Kept", self.request.body


class Wrapped(Note):
    """The same, and `respond` cannot be left out."""

    def respond(self) -> Any:
        return super().respond()


@pytest.mark.parametrize("cls", [Note, Wrapped])
class TestMethods:
    def test_the_method_in_lower_case_answers(self, cls: type[HTTPHandler]) -> None:
        assert answer(cls, target="/7") == (200, "note 7")
        assert answer(cls, "PUT", b"text") == (201, "Kept", b"text")

    def test_head_is_what_get_answers(self, cls: type[HTTPHandler]) -> None:
        assert answer(cls, "HEAD", target="/7") == (200, "note 7")

    def test_options_says_what_there_is(self, cls: type[HTTPHandler]) -> None:
        handler = made(cls, "OPTIONS")
        assert Route("/", cls).call("OPTIONS")(handler) == (204, None)
        assert handler.response.headers["Allow"] == "GET, HEAD, OPTIONS, PUT"

    @pytest.mark.parametrize("method", ["DELETE", "get", "Put", "BREW", "__INIT__", "GET_BODY"])
    def test_any_other_method_is_a_405_with_allow(self, cls: type[HTTPHandler], method: str) -> None:
        with pytest.raises(HTTPError) as caught:
            answer(cls, method)
        assert caught.value.status == 405
        assert isinstance(caught.value.headers, HTTPHeaders)
        assert caught.value.headers["Allow"] == "GET, HEAD, OPTIONS, PUT"


def test_without_get_there_is_no_head() -> None:
    class Drop(HTTPHandler):
        def do_post(self) -> Any:
            return 204, None

    assert Drop.methods() == ["OPTIONS", "POST"]
    with pytest.raises(HTTPError) as caught:
        answer(Drop, "HEAD")
    assert caught.value.status == 405
    assert caught.value.headers["Allow"] == "OPTIONS, POST"  # type: ignore[index]


def test_a_head_of_its_own_counts_without_get() -> None:
    class Exists(HTTPHandler):
        def do_head(self) -> Any:
            return 204, None

    assert Exists.methods() == ["HEAD", "OPTIONS"]
    assert answer(Exists, "HEAD") == (204, None)


def test_only_callables_and_lower_case_names_are_methods() -> None:
    class Odd(HTTPHandler):
        do_not = "a note to myself"

        def do_Mixed(self) -> Any:
            return 200, ""

        def do_brew(self) -> Any:
            return 418, None

    assert Odd.methods() == ["BREW", "OPTIONS"]
    assert answer(Odd, "BREW") == (418, None)
    for method in ("NOT", "MIXED", "Mixed"):
        with pytest.raises(HTTPError, match="405"):
            answer(Odd, method)


class Hooked(HTTPHandler):
    seen: list[str]

    def decode(self, body: bytes) -> Any:
        if not body.isdigit():
            raise HTTPError(400, "wanted a number\n")
        return int(body)

    def encode(self, body: Any) -> Any:
        return f"<{body}>"

    def do_get(self) -> Any:
        return 200, self.request.body

    def do_post(self) -> Any:
        return 200, "Sum", self.request.body + 1


def test_decode_and_encode_stand_around_the_method() -> None:
    assert answer(Hooked, "POST", b"41") == (200, "Sum", "<42>")
    with pytest.raises(HTTPError, match="400"):
        answer(Hooked, "POST", b"x")


def test_decode_is_for_bodies_that_came() -> None:
    assert answer(Hooked) == (200, "<b''>")
    assert answer(Hooked, "OPTIONS") == (204, "<None>")


def test_head_is_encoded_as_get_is() -> None:
    assert answer(Hooked, "HEAD") == (200, "<b''>")


@pytest.mark.parametrize(("said", "expected"), [(True, 5), (False, b"5"), (None, b"5")])
def test_get_body_says_whether_to_decode(said: bool | None, expected: object) -> None:
    class Choosy(Hooked):
        def get_body(self) -> bool | None:
            return said

        def encode(self, body: Any) -> Any:
            return body

        def do_put(self) -> Any:
            return 200, self.request.body

    assert answer(Choosy, "PUT", b"5") == (200, expected)


def test_get_body_may_make_the_body_itself() -> None:
    class Lines(HTTPHandler):
        def get_body(self) -> None:
            self.request.body = self.request.rfile.readlines()

        def do_post(self) -> Any:
            return 200, self.request.body

    assert answer(Lines, "POST", b"a\nb") == (200, [b"a\n", b"b"])


def test_a_streaming_handler_reads_by_itself() -> None:
    class Streams(Hooked):
        stream = True

        def do_put(self) -> Any:
            return 200, self.request.rfile.read(1)

    assert answer(Streams, "PUT", b"xy") == (200, "<b'x'>")


def test_respond_wraps_every_method() -> None:
    class Counted(Note):
        def respond(self) -> Any:
            status, *_ = super().respond()
            return status, "wrapped"

    assert answer(Counted) == (200, "wrapped")
    assert answer(Counted, "PUT", b"x") == (201, "wrapped")


def test_each_handler_has_headers_of_its_own() -> None:
    first, second = made(Note), made(Note)
    first.response.headers.set("X", "1")
    assert "X" not in second.response.headers
    assert first.response is first.response
