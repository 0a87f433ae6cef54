"""Request: what a handler is told, and the body in its two shapes."""

from __future__ import annotations

import io
import tempfile

import pytest

from tests.heads import FakePeer, head_of, request_of
from webpy.framework.request import Request


def test_the_parts_of_the_request_line() -> None:
    request = request_of("PUT", "/a%20b/?x=1&y=?")
    assert (request.method, request.resource) == ("PUT", "/a%20b/?x=1&y=?")
    assert (request.path, request.query) == ("/a%20b/", "x=1&y=?")
    assert (request_of("GET", "/a?").path, request_of("GET", "/a?").query) == ("/a", "")
    assert (request_of("OPTIONS", "*").path, request_of("OPTIONS", "*").resource) == ("*", "*")
    assert request.http_version == "HTTP/1.1"
    assert Request(FakePeer(), head_of(version="HTTP/1.0")).http_version == "HTTP/1.0"


def test_the_path_is_in_normal_form_and_the_target_as_sent() -> None:
    request = request_of("GET", "//x/../%61%2f?%61=/../")
    assert (request.resource, request.path, request.query) == ("/a%2F?%61=/../", "/a%2F", "%61=/../")
    assert request.target == "//x/../%61%2f?%61=/../"
    absolute = request_of("GET", "http://b//%61")
    assert (absolute.resource, absolute.target) == ("/a", "http://b//%61")


def test_an_absolute_target_says_host_and_path() -> None:
    request = request_of("GET", "http://example.org:81/x?y")
    assert (request.host, request.resource) == ("example.org:81", "/x?y")


def test_the_client_and_its_scheme() -> None:
    peer = FakePeer()
    request = Request(peer, head_of())
    assert (request.client_address, request.scheme, request.tls) == (("192.0.2.7", 4711), "http", None)
    peer.tls = object()
    assert (request.scheme, request.tls) == ("https", peer.tls)


def test_what_it_asks_of_the_connection() -> None:
    peer = FakePeer()
    request = Request(peer, head_of())
    assert (request.server_address, request.client_gone) == (("192.0.2.1", 8000), False)
    peer.gone = True
    assert request.client_gone


def test_headers_are_the_requests_own() -> None:
    head = head_of("GET", "/", "X-Two: 1", "x-two: 2")
    one, other = Request(FakePeer(), head), Request(FakePeer(), head)
    assert one.headers.getlist("X-TWO") == ["1", "2"]
    assert one.headers is one.headers
    one.headers.set("X-Two", "changed")
    assert other.headers.getlist("X-Two") == ["1", "2"]  # the head is shared by all requests alike


def test_without_a_body() -> None:
    request = request_of()
    assert (request.body, request.raw_body, request.rfile.read(), request.trailers) == (b"", b"", b"", ())


def stored(body: bytes) -> Request:
    request = Request(FakePeer(), head_of("POST", "/", f"Content-Length: {len(body)}"))
    file = tempfile.TemporaryFile()
    file.write(body)
    file.seek(0)
    request.read_from(file)
    return request


@pytest.mark.parametrize("body", [b"\0", b"abcdef"])
@pytest.mark.parametrize("in_a_file", [False, True])
def test_body_and_stream_do_not_disturb_each_other(body: bytes, in_a_file: bool) -> None:
    request = stored(body) if in_a_file else request_of("POST", "/", body=body)
    try:
        assert request.rfile.read(2) == body[:2]
        assert request.body == body
        assert request.rfile.read() == body[2:]
        request.rfile.seek(0)
        assert request.rfile.read() == body
        assert request.body is request.body
        assert request.raw_body == (b"" if in_a_file else body)
    finally:
        request.rfile.close()


def test_a_body_that_arrives_is_what_is_left_of_the_stream() -> None:
    class Arriving(io.RawIOBase):
        def __init__(self) -> None:
            self._rest = b"first, rest"

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
            piece, self._rest = self._rest[:3], self._rest[3:]
            buffer[: len(piece)] = piece
            return len(piece)

    request = Request(FakePeer(), head_of("POST", "/", "Content-Length: 11"))
    request.read_from(io.BufferedReader(Arriving()))  # type: ignore[type-var]
    assert request.rfile.read(5) == b"first"
    assert request.body == b", rest"


def test_the_body_may_be_replaced() -> None:
    request = request_of("POST", "/", body=b"{}")
    request.body = {"decoded": True}
    assert request.body == {"decoded": True}
    assert request.rfile.read() == b"{}"


def test_a_request_has_no_other_attributes() -> None:
    request = request_of()
    with pytest.raises(AttributeError, match="a request has no 'form'"):
        _ = request.form
    with pytest.raises(AttributeError):
        request.form = 1  # type: ignore[attr-defined]


def test_what_goes_with_errors_is_empty_until_somebody_fills_it() -> None:
    request = request_of()
    assert not request.has_error_headers and request.id == ""
    request.error_headers.set("X-A", "1")
    assert request.has_error_headers and list(request.error_headers) == [("X-A", "1")]
