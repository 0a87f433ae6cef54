"""webpy.decompression: compressed bodies on the wire, buffered and streamed, before forms, JSON, hosts; and bombs."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.authority import write_certificate
from tests.server import ROOT, Server
from webpy import HTTPError
from webpy.auth import BasicAuthMixIn
from webpy.decompression import DecompressionMixIn, _decoded, _stored
from webpy.form import FormMixIn
from webpy.json import JSONMixIn

APP = """
import hashlib, json
import webpy as web
import webpy.cgi, webpy.objects, webpy.stdlib, webpy.wsgi
from http.server import BaseHTTPRequestHandler
from webpy.auth import BasicAuthMixIn
from webpy.decompression import DecompressionMixIn
from webpy.form import FormMixIn
from webpy.json import JSONMixIn

def told(body, **more):
    return 200, json.dumps({"sha": hashlib.sha256(body).hexdigest(), "bytes": len(body), **more})

class Whole(DecompressionMixIn):
    decompression_max_bytes = 4 << 20
    def do_post(self):
        request = self.request
        read = request.rfile.read()
        assert read == request.body
        return told(read, length=request.headers.get("Content-Length"), head=request.head.content_length,
                    coding=request.headers.get("Content-Encoding"), fields=dict(request.head.fields),
                    raw=len(request.raw_body))

class Streamed(Whole):
    stream = True
    def do_post(self):
        digest, count = hashlib.sha256(), 0
        while piece := self.request.rfile.read(1000):
            digest.update(piece)
            count += len(piece)
        return 200, json.dumps({"sha": digest.hexdigest(), "bytes": count,
                                "length": self.request.headers.get("Content-Length")})

class FirstPiece(Streamed):
    def do_post(self):
        return 200, self.request.rfile.read(5)

class Plain(web.HTTPHandler):
    def do_post(self):
        return told(self.request.body, coding=self.request.headers.get("Content-Encoding"))

class Form(DecompressionMixIn, FormMixIn):
    def do_post(self):
        return 200, json.dumps({name: value for name, value in self.request.body.items()})

class StreamedForm(Form):
    stream = True

class Json(DecompressionMixIn, JSONMixIn):
    def do_post(self):
        return 200, {"got": self.request.body}

class JsonFirst(JSONMixIn, DecompressionMixIn):
    do_post = Json.do_post

class Signed(web.HTTPHandler):
    # an application's own mix-in, which looks at what was sent
    def respond(self):
        request = self.request
        assert request.body == request.rfile.read() and request.headers.get("Content-Encoding") == "gzip"
        return super().respond()

class SignedWhole(Signed, Whole):
    pass

class Guarded(BasicAuthMixIn, Whole):
    def login(self, user, password):
        return password == "sesame" and user

def app(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "application/json")])
    names = ("CONTENT_LENGTH", "HTTP_CONTENT_ENCODING", "HTTP_TRANSFER_ENCODING", "CONTENT_TYPE")
    return [told(body, **{name: environ.get(name) for name in names})[1].encode()]

class Unpacked(DecompressionMixIn, webpy.wsgi.WSGIHandler):
    pass

class Std(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = told(body, length=self.headers["Content-Length"], coding=self.headers["Content-Encoding"])[1].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

class Page:
    @webpy.objects.expose
    def default(self, *arguments, **fields):
        request = webpy.objects.request
        body = request.body.read()
        return told(body, length=request.headers.get("Content-Length"),
                    coding=request.headers.get("Content-Encoding"))[1].encode()

def unpacked(base):
    return type("Unpacked", (DecompressionMixIn, base), {})

routes = {
    "/whole": Whole, "/streamed": Streamed, "/first": FirstPiece, "/plain": Plain, "/form": Form,
    "/streamedform": StreamedForm, "/json": Json, "/jsonfirst": JsonFirst, "/guarded": Guarded,
    "/signed": SignedWhole,
    **webpy.wsgi.new(app, "/wsgi"),
    **webpy.wsgi.new(app, "/unpacked", handler=Unpacked),
    **webpy.stdlib.new(Std, "/stdlib", handler=unpacked(webpy.stdlib.StdlibHandler)),
    **webpy.objects.new(Page(), "/objects", handler=unpacked(webpy.objects.ObjectsHandler)),
    **webpy.cgi.new("scripts", "/cgi", handler=unpacked(webpy.cgi.CGIHandler), user=None),
}
"""
SCRIPT = f"""#!{sys.executable}
import hashlib, json, os, sys
body = sys.stdin.buffer.read()
print("Content-Type: application/json\\n")
print(json.dumps({{"sha": hashlib.sha256(body).hexdigest(), "length": os.environ.get("CONTENT_LENGTH"),
                  "coding": os.environ.get("HTTP_CONTENT_ENCODING")}}))
"""
TEXT = b"some text that repeats itself, " * 1000
RANDOM = os.urandom(700_000)


def raw_deflate(data: bytes) -> bytes:
    made = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return made.compress(data) + made.flush()


CODED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZIP": lambda data: gzip.compress(data[:10]) + gzip.compress(data[10:]),
    "deflate": zlib.compress,
    "Deflate": raw_deflate,
    "identity": bytes,
}


def write(folder: Path) -> None:
    (folder / "app.py").write_text(APP)
    (folder / "scripts").mkdir()
    (folder / "scripts" / "told").write_text(SCRIPT)
    (folder / "scripts" / "told").chmod(0o755)


class Site:
    def __init__(self, folder: Path, kind: str) -> None:
        write(folder)
        options, self.context = ["--workers", "2" if kind == "two workers" else "1", "--max-body", "8M"], None
        if kind == "TLS":
            self.context = write_certificate(folder)
            options += ["--certfile", "cert.pem"]
        self.server = Server("app.py", *options, cwd=folder)
        self.server.wait_until_listening()

    def connect(self) -> http.client.HTTPConnection:
        if self.context is None:
            return http.client.HTTPConnection(*self.server.address, timeout=20)
        return http.client.HTTPSConnection(*self.server.address, timeout=20, context=self.context)

    def socket(self) -> socket.socket:
        sock = socket.create_connection(self.server.address, timeout=20)
        return sock if self.context is None else self.context.wrap_socket(sock, server_hostname="127.0.0.1")

    def post(self, path: str, body: Any, coding: str | None = "gzip", **fields: str) -> tuple[int, Any, Any]:
        """Status, headers, and the body: as JSON if it is."""
        client = self.connect()
        try:
            headers = {name.replace("_", "-"): value for name, value in fields.items()}
            if coding is not None:
                headers["Content-Encoding"] = coding
            client.request("POST", path, body=body, headers=headers, encode_chunked=not isinstance(body, bytes))
            got = client.getresponse()
            text = got.read().decode()
            return got.status, got.headers, json.loads(text) if text.startswith("{") else text
        finally:
            client.close()


@pytest.fixture(scope="module", params=["one worker", "two workers", "TLS"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("decompression"), request.param)
    yield site
    site.server.kill()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("coding", CODED)
@pytest.mark.parametrize("data", [TEXT, RANDOM], ids=["short", "long"])
def test_codings(site: Site, coding: str, data: bytes) -> None:
    sent = CODED[coding](data)
    status, _, told = site.post("/whole", sent, coding)
    assert status == 200, told
    assert (told["sha"], told["bytes"]) == (sha(data), len(data))
    if coding != "identity":
        assert told["length"] == str(len(data)) and told["head"] == len(data) and told["coding"] is None
        assert told["fields"]["Content-Length"] == str(len(data)) and "Content-Encoding" not in told["fields"]
    assert told["raw"] in (len(sent), 0)
    status, _, told = site.post("/whole", iter([sent[:7], sent[7:]]), coding)  # chunked
    assert (status, told["sha"]) == (200, sha(data))
    status, _, told = site.post("/streamed", sent, coding)
    assert (status, told["sha"]) == (200, sha(data))
    if coding != "identity":
        assert told["length"] is None


def test_without_the_mix_in_all_stays_as_sent(site: Site) -> None:
    sent = gzip.compress(TEXT)
    told = site.post("/plain", sent)[2]
    assert (told["sha"], told["coding"]) == (sha(sent), "gzip")
    told = site.post("/wsgi/x", sent, Content_Type="text/x")[2]
    assert (told["sha"], told["CONTENT_LENGTH"], told["HTTP_CONTENT_ENCODING"]) == (sha(sent), str(len(sent)), "gzip")


def test_before_a_wsgi_application(site: Site) -> None:
    for body in (gzip.compress(TEXT), iter([gzip.compress(TEXT)])):
        for _ in range(3):  # a head that comes again is kept with its environment
            if not isinstance(body, bytes):
                body = iter([gzip.compress(TEXT)])
            told = site.post("/unpacked/x", body, Content_Type="text/x")[2]
            assert (told["sha"], told["CONTENT_LENGTH"]) == (sha(TEXT), str(len(TEXT)))
            assert (told["HTTP_CONTENT_ENCODING"], told["CONTENT_TYPE"]) == (None, "text/x")
        told = site.post("/unpacked/x", TEXT, None)[2]
        assert told["sha"] == sha(TEXT)


@pytest.mark.parametrize("path", ["/stdlib/x", "/objects/x", "/cgi/told"])
@pytest.mark.parametrize("data", [TEXT, RANDOM], ids=["short", "long"])
def test_before_the_other_hosts(site: Site, path: str, data: bytes) -> None:
    for sent in (gzip.compress(data), iter([gzip.compress(data)])):
        status, _, told = site.post(path, sent, Content_Type="application/octet-stream")
        assert status == 200, told
        assert (told["sha"], told["length"], told["coding"]) == (sha(data), str(len(data)), None)


@pytest.mark.parametrize("path", ["/form", "/streamedform"])
def test_before_forms(site: Site, path: str) -> None:
    form = "application/x-www-form-urlencoded"
    for coding in ("gzip", "deflate"):
        assert site.post(path, CODED[coding](b"a=1&b=%C3%A4"), coding, Content_Type=form)[2] == {"a": "1", "b": "\xe4"}
    multipart = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"1" * 100_000 + b"\r\n--x--\r\n"
    told = site.post(path, gzip.compress(multipart), Content_Type="multipart/form-data; boundary=x")[2]
    assert told == {"a": "1" * 100_000}
    assert site.post(path, b"a=1", None, Content_Type=form)[2] == {"a": "1"}


@pytest.mark.parametrize("path", ["/json", "/jsonfirst"])
def test_with_json_in_both_orders(site: Site, path: str) -> None:
    for fields in ({}, {"Expect": "100-continue"}):
        answer = site.post(path, gzip.compress(b'{"a": [1]}'), Content_Type="application/json", **fields)
        assert answer[0] == 200 and answer[2] == {"got": {"a": [1]}}
    assert site.post(path, gzip.compress(b"{"), Content_Type="application/json")[0] == 400


@pytest.mark.parametrize("path", ["/whole", "/streamed", "/form", "/json", "/unpacked/x"])
@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "gzip, br", "compress", "x" * 200, "g\xe4"])
def test_other_codings(site: Site, path: str, coding: str) -> None:
    status, headers, text = site.post(path, gzip.compress(TEXT), coding)
    assert (status, headers["Accept-Encoding"]) == (415, "gzip, deflate")
    assert "wanted one of gzip, deflate" in text and len(text) < 200 and text.isascii()


def test_what_is_refused_is_refused_before_it_is_sent(site: Site) -> None:
    for path, coding, wanted in (("/whole", "br", b"HTTP/1.1 415"), ("/guarded", "gzip", b"HTTP/1.1 401"),
                                 ("/whole", "gzip", b"HTTP/1.1 100")):  # fmt: skip
        with site.socket() as sock:
            sock.sendall(
                f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nContent-Encoding: {coding}\r\n"
                "Expect: 100-continue\r\n\r\n".encode()
            )
            assert sock.recv(1000).startswith(wanted)


def test_a_login_comes_first(site: Site) -> None:
    bad = b"no gzip at all"
    assert site.post("/guarded", bad)[0] == 401
    fields = {"Authorization": "Basic " + base64.b64encode(b"ann:sesame").decode()}
    assert site.post("/guarded", bad, **fields)[0] == 400
    assert site.post("/guarded", gzip.compress(TEXT), **fields)[2]["sha"] == sha(TEXT)


@pytest.mark.parametrize("path", ["/whole", "/streamed", "/unpacked/x"])
@pytest.mark.parametrize(
    ("coding", "body", "words"),
    [
        ("gzip", b"plain text", "the body is not valid gzip"),
        ("gzip", gzip.compress(TEXT)[:-1], "the body ends before the end of its gzip"),
        ("gzip", gzip.compress(TEXT)[:-8] + b"\0" * 8, "the body is not valid gzip"),
        ("gzip", gzip.compress(TEXT) + b"x", "the body is not valid gzip|ends before the end"),
        ("deflate", zlib.compress(TEXT)[:-1], "the body ends before the end of its deflate"),
        ("deflate", zlib.compress(TEXT) + b"x", "the body goes on behind the end of its deflate"),
        ("deflate", b"\xff\xff\xff", "the body is not valid deflate"),
        ("gzip", b"\x1f", "the body ends before the end of its gzip"),
    ],
)
def test_broken_bodies(site: Site, path: str, coding: str, body: bytes, words: str) -> None:
    status, _, text = site.post(path, body, coding)
    assert status == 400 and any(each in text for each in words.split("|"))


@pytest.mark.parametrize("data", [TEXT, RANDOM], ids=["short", "long"])
def test_behind_a_mix_in_that_has_read_what_was_sent(site: Site, data: bytes) -> None:
    told = site.post("/signed", gzip.compress(data))[2]
    assert (told["sha"], told["coding"]) == (sha(data), None)


def test_a_method_that_is_not_there_is_still_a_405(site: Site) -> None:
    client = site.connect()
    client.request("PUT", "/whole", body=b"no gzip", headers={"Content-Encoding": "gzip"})
    assert client.getresponse().status == 405
    client.close()


@pytest.mark.parametrize("path", ["/whole", "/streamed"])
def test_the_cap(site: Site, path: str) -> None:
    cap = 4 << 20
    assert site.post(path, gzip.compress(b"a" * cap))[2]["bytes"] == cap
    status, _, text = site.post(path, gzip.compress(b"a" * (cap + 1)))
    assert (status, text) == (413, f"a body may become {cap} bytes when it is decompressed, and would be more\n")


def bomb(size: int) -> bytes:
    """`size` bytes of gzip that become a thousand times as many."""
    made = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    pieces = []
    zeros = bytes(1 << 20)
    while sum(map(len, pieces)) < size:
        pieces.append(made.compress(zeros))
    return b"".join(pieces) + made.flush()


def used(server: Server) -> dict[int, tuple[float, int]]:
    """CPU seconds and bytes of memory of each process of a server. One that has just ended is left out: at its start a
    server has some that end at once."""
    found = {}
    for pid in server.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            found[pid] = process.cpu_times().user, process.memory_info().rss
    return found


@pytest.mark.slow
def test_a_bomb_costs_little(site: Site) -> None:
    """2 MB that would become 2 GB."""
    sent = bomb(2 << 20)
    assert site.post("/whole", gzip.compress(TEXT))[0] == 200
    before = used(site.server)
    for path in ("/whole", "/streamed", "/whole"):
        assert site.post(path, sent)[0] == 413
    after = used(site.server)
    assert len(after) > 1
    assert after.keys() <= before.keys()  # no worker was replaced
    assert sum(cpu - before[pid][0] for pid, (cpu, _) in after.items()) < 3
    assert max(rss - before[pid][1] for pid, (_, rss) in after.items()) < 30 << 20


def test_many_empty_members_cost_time_that_is_linear(site: Site) -> None:
    member = gzip.compress(b"")
    assert site.post("/whole", member)[0] == 200
    before = used(site.server)
    assert site.post("/whole", member * ((2 << 20) // len(member)))[2]["bytes"] == 0
    after = used(site.server)
    assert sum(after[pid][0] - before[pid][0] for pid in before.keys() & after.keys()) < 10


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_streamed_body_is_decompressed_while_it_arrives(
    serve: Callable[..., Server], tmp_path: Path, workers: str
) -> None:
    """Without TLS, under which bodies are received first."""
    write(tmp_path)
    server = serve("app.py", "--workers", workers)
    made = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    begun = made.compress(b"12345") + made.flush(zlib.Z_SYNC_FLUSH)
    with server.connect() as sock:
        sock.sendall(
            b"POST /first HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nContent-Encoding: gzip\r\n\r\n" + begun
        )
        answer = b""
        while b"12345" not in answer:
            piece = sock.recv(1000)
            assert piece, answer
            answer += piece
        assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.needs("curl")
def test_example(serve: Callable[..., Server]) -> None:
    example = ROOT / "examples" / "batches.py"
    (command,) = re.findall(r"^echo .*$", example.read_text(), re.M)
    server = serve(example, "--workers", "2")
    done = subprocess.run(
        ["sh", "-c", command.replace("http://127.0.0.1:8000", server.url)], capture_output=True, text=True, check=False
    )
    assert done.stdout == '{"events": 3}', done.stderr


# -- the parts -------------------------------------------------------------------------------------------------


class Trickle:
    """A stream that gives at most so many bytes at a time."""

    def __init__(self, data: bytes, at_a_time: int) -> None:
        self._data, self._at_a_time = data, at_a_time

    def read(self, count: int) -> bytes:
        count = min(count, self._at_a_time)
        piece, self._data = self._data[:count], self._data[count:]
        return piece


@given(st.lists(st.tuples(st.binary(max_size=50), st.integers(1, 5000)), max_size=3), st.integers(1, 3000))
def test_any_split_gives_the_same(parts: list[tuple[bytes, int]], at_a_time: int) -> None:
    data = b"".join(piece * count for piece, count in parts)
    for coding, code in (("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate)):
        sent = code(data)
        assert b"".join(_decoded(Trickle(sent, at_a_time), coding, 1 << 30)) == data  # type: ignore[arg-type]
        with pytest.raises(HTTPError):
            list(_decoded(Trickle(sent[:-1], at_a_time), coding, 1 << 30))  # type: ignore[arg-type]


@given(st.binary(max_size=200))
def test_no_input_raises_anything_else(data: bytes) -> None:
    for coding in ("gzip", "deflate"):
        try:
            list(_decoded(Trickle(data, 7), coding, 1000))  # type: ignore[arg-type]
        except HTTPError as error:
            assert error.status in (400, 413)


def test_a_full_disk_is_a_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = open("/dev/full", "wb", buffering=0)
    monkeypatch.setattr("webpy.decompression.tempfile.TemporaryFile", lambda: full)
    with pytest.raises(HTTPError) as raised:
        _stored(iter([b"x" * (1 << 16)] * 10))
    assert raised.value.status == 503 and full.closed


def test_order() -> None:
    type("Good", (BasicAuthMixIn, DecompressionMixIn, FormMixIn), {})
    type("Good", (JSONMixIn, DecompressionMixIn), {})
    with pytest.raises(TypeError, match="BasicAuthMixIn must stand before DecompressionMixIn"):
        type("Bad", (DecompressionMixIn, BasicAuthMixIn), {})
    with pytest.raises(TypeError, match="DecompressionMixIn must stand before FormMixIn"):
        type("Bad", (FormMixIn, DecompressionMixIn), {})
