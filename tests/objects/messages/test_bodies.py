"""Bodies of requests: how they are read, decoded and refused; the same on CherryPy and on webpy."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from ..sidebyside import Pair, multipart

SCRIPT = """
import io
import json

import cherrypy


def own_processor(entity):
    cherrypy.serving.request.own = entity.fp.read().decode().upper()


def set_processors():
    cherrypy.request.body.processors["text/upper"] = own_processor
    cherrypy.request.body.processors["text"] = lambda entity: setattr(cherrypy.request, "own", "any text")


cherrypy.tools.own = cherrypy.Tool("before_request_body", set_processors)


def described(value):
    if hasattr(value, "file"):
        content = value.file.read() if value.file else value.value
        return {"name": value.name, "filename": value.filename, "type": str(value.content_type.value),
                "content": content.decode("latin-1"), "headers": sorted(value.headers)}
    return value if not isinstance(value, list) else [described(one) for one in value]


class Root:
    @cherrypy.expose
    def index(self, *args, **kwargs):
        body = cherrypy.request.body
        return json.dumps({
            "args": args, "kwargs": {name: described(value) for name, value in kwargs.items()},
            "body": {name: described(value) for name, value in (body.params or {}).items()},
            "charset": body.charset, "length": body.length, "parts": [described(part) for part in body.parts],
            "attempts": body.attempt_charsets,
        }, sort_keys=True)

    @cherrypy.expose
    @cherrypy.tools.own()
    def own(self):
        return cherrypy.request.own

    @cherrypy.expose
    @cherrypy.config(**{"request.process_request_body": False})
    def unread(self):
        length = int(cherrypy.request.headers.get("Content-Length", 0))
        return json.dumps([cherrypy.request.rfile.read(length).decode(), dict(cherrypy.request.params)])

    @cherrypy.expose
    def read(self, by="read"):
        body = cherrypy.request.body
        if by == "lines":
            return json.dumps([line.decode() for line in body.readlines()])
        if by == "iter":
            return json.dumps([line.decode() for line in body])
        if by == "some":
            return json.dumps([body.read(3).decode(), body.fp.read(2).decode(), body.readline().decode(),
                               body.read().decode(), body.read().decode()])
        if by == "file":
            out = io.BytesIO()
            body.read(fp_out=out)
            return out.getvalue()
        if by == "made":
            file = body.read_into_file()
            file.seek(0)
            return file.read()
        return body.read()

    @cherrypy.expose
    @cherrypy.config(**{"request.body.attempt_charsets": ["ascii", "koi8-r"]})
    def russian(self, word):
        return json.dumps([word, cherrypy.request.body.charset])

    @cherrypy.expose
    @cherrypy.config(**{"request.methods_with_bodies": ("POST", "PUT", "PROPFIND")})
    def find(self, **kwargs):
        return json.dumps([cherrypy.request.method, kwargs])

    @cherrypy.expose
    @cherrypy.config(**{"request.body.maxbytes": 10})
    def bounded(self, **kwargs):
        return json.dumps(kwargs)

    @cherrypy.expose
    @cherrypy.config(**{"request.query_string_encoding": "latin-1"})
    def latin(self, **kwargs):
        return json.dumps(kwargs)

    @cherrypy.expose
    def upload(self, file):
        total = 0
        while piece := file.file.read(65536):
            total += len(piece)
        return "%s %s %d" % (file.filename, file.content_type, total)


conf = {"global": {"server.max_request_body_size": 3000000}}
cherrypy.quickstart(Root(), "/", conf)
"""
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TEXT = {"Content-Type": "text/plain"}


@pytest.fixture(scope="module")
def both(pair: Callable[..., Pair]) -> Pair:
    return pair(SCRIPT)


@pytest.mark.parametrize(
    "path,body,content_type",
    [
        ("/?q=1", b"a=1&b=2&a=3", "application/x-www-form-urlencoded"),
        ("/?a=0", b"a=%C3%A9+%2b", "application/x-www-form-urlencoded;charset=utf-8"),
        ("/", b"a=%e9", "application/x-www-form-urlencoded"),
        ("/", b"a=%e9", "application/x-www-form-urlencoded; charset=ISO-8859-1"),
        ("/", b"a=1", 'application/x-www-form-urlencoded; charset="utf-8"'),
        ("/", b"a=1&%zz=%&=&b", "Application/X-WWW-Form-Urlencoded"),
        ("/", b"a=1", "text/plain"),
        ("/", b"\xe9", "text/plain; charset=latin-1"),
        ("/", b"{}", "application/json"),
        ("/", b"a=1", "nonsense"),
        ("/", b"a=1", ""),
        ("/own", b"text", "text/upper"),
        ("/own", b"text", "text/other"),
        ("/unread?x=1", b"a=1", "application/x-www-form-urlencoded"),
        ("/russian", b"word=%C1%C2", "application/x-www-form-urlencoded"),
        ("/russian", b"word=abc", "application/x-www-form-urlencoded"),
        ("/bounded", b"a=12345678", "application/x-www-form-urlencoded"),
        ("/bounded", b"a=123456789", "application/x-www-form-urlencoded"),
    ],
)
def test_types(both: Pair, path: str, body: bytes, content_type: str) -> None:
    both.same("POST", path, body, {"Content-Type": content_type})


@pytest.mark.parametrize("by", ["read", "lines", "iter", "some", "file", "made"])
def test_reading(both: Pair, by: str) -> None:
    both.same("POST", f"/read?by={by}", b"one\ntwo\n\nthree", TEXT)
    both.same("POST", f"/read?by={by}", b"", TEXT)


def test_chunked(both: Pair) -> None:
    headers = {**FORM, "Transfer-Encoding": "chunked"}
    both.same("POST", "/", b"3\r\na=1\r\n4\r\n&b=2\r\n0\r\n\r\n", headers)
    both.same("POST", "/read", b"5\r\nhello\r\n0\r\n\r\n", {**TEXT, "Transfer-Encoding": "chunked"})


def test_methods(both: Pair) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE", "PROPFIND", "GET"):
        both.same(method, "/find", b"a=1", FORM)
        both.same(method, "/", b"a=1", FORM)


def test_queries(both: Pair) -> None:
    for path in ("/latin?a=%e9", "/latin?a=%C3%A9", "/?a=%e9", "/?a=1&a=2&a=3", "/?a[]=1&a[]=2", "/?%00=%00"):
        both.same("GET", path)


@pytest.mark.parametrize(
    "parts",
    [
        [("a", "", b"1"), ("a", "", b"2"), ("b", "", b"")],
        [("a", "", "é".encode())],
        [("a", "\r\nContent-Type: text/plain; charset=latin-1", b"\xe9")],
        [("a", "\r\nX-Own: 1", b"x" * 2000)],
        [("f", '; filename="a b.txt"\r\nContent-Type: text/csv; charset=utf-8', b"1\r\n2\n\r\n")],
        [("f", '; filename="../x\xe9.txt"', b"--x\r\n--")],
        [("f", "; filename=plain.txt", b"\r\n--xYzZ\r\n")],
        [("f", "; filename*=utf-8''%e2%82%ac.txt", b"euro")],
        [("f", '; filename=""\r\nContent-Type: application/octet-stream', b"")],
        [("f", '; filename="1"', b"1"), ("f", '; filename="2"', b"2"), ("g", "", b"3")],
    ],
)
def test_multipart(both: Pair, parts: list[tuple[str, str, bytes]]) -> None:
    body, headers = multipart(parts)
    both.same("POST", "/", body, headers)
    both.same("POST", "/", b"preamble\r\n" + body + b"epilogue", headers)


def test_other_multipart(both: Pair) -> None:
    body = b"--b\r\nContent-Type: text/plain\r\n\r\none\r\n--b\r\nContent-Type: text/html\r\n\r\ntwo\r\n--b--\r\n"
    both.same("POST", "/", body, {"Content-Type": "multipart/mixed; boundary=b"})
    both.same("POST", "/", body, {"Content-Type": 'multipart/related; boundary="b"'})


def test_broken_multipart_is_the_clients_fault(both: Pair) -> None:
    """CherryPy answers 500, or waits for more."""
    body, headers = multipart([("a", "", b"1")])
    server = both.webpy.server
    for broken, boundary in (
        (body[:-8], headers),
        (body, {"Content-Type": "multipart/form-data"}),
        (b"--xYzZy", headers),
    ):
        answer = server.request("POST", "/", broken, boundary)
        assert answer.status == 400, broken
    no_colon = body.replace(b"Content-Disposition: ", b"Content-Disposition ")
    assert server.request("POST", "/", no_colon, headers).status == 400


def test_uploads_larger_than_memory_and_too_large(both: Pair) -> None:
    body, headers = multipart(
        [("file", '; filename="big.bin"\r\nContent-Type: application/octet-stream', b"x" * 2500000)]
    )
    assert both.same("POST", "/upload", body, headers).text == "big.bin application/octet-stream 2500000"
    answer = both.webpy.server.request("POST", "/upload", body + b"x" * 600000, headers)
    assert answer.status == 413


def test_post_without_a_length(both: Pair) -> None:
    """411, as a form without a length has no end."""
    statuses = []
    for side in (both.cherrypy, both.webpy):
        with socket.create_connection(side.server.address, 10) as sock:
            sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            statuses.append(sock.makefile("rb").readline())
    assert statuses[0] == statuses[1] == b"HTTP/1.1 411 Length Required\r\n"
