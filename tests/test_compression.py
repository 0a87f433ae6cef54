"""webpy.compression: what is compressed and what is not, the fields that go with it, and clients that read it."""

from __future__ import annotations

import gzip
import io
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import brotli  # type: ignore[import-untyped]
import pytest
import requests
import zstandard

from tests.heads import request_of
from tests.server import ROOT, Server
from webpy import HTTPError, HTTPHandler, compression
from webpy.compression import CompressionMixIn
from webpy.framework.answer import BadResult
from webpy.framework.hosting import HostHandler
from webpy.json import JSONHandler

Serve = Callable[..., Server]
TEXT = "grüße, 世界\n" * 200
DATA = TEXT.encode()
READ: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "identity": bytes,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}


def answer(
    body: Any,
    *fields: tuple[str, str],
    status: int = 200,
    accept: str = "gzip",
    method: str = "GET",
    asked: tuple[str, ...] = (),
    **options: Any,
) -> tuple[HTTPHandler, Any]:
    """Return the handler and the body of its answer."""

    class Some(CompressionMixIn):
        def do_get(self) -> Any:
            for name, value in fields:
                self.response.headers.add(name, value)
            return status, body

    for name, value in options.items():
        setattr(Some, f"compression_{name}", value)
    handler = Some(request_of(method, "/", f"Accept-Encoding: {accept}", *asked), ())  # type: ignore[arg-type]
    result = handler.respond()
    assert result[0] == status
    return handler, result[-1]


def untouched(body: Any, *fields: tuple[str, str], **keywords: Any) -> bool:
    handler, got = answer(body, *fields, **keywords)
    coded = handler.response.headers.getlist("Content-Encoding")
    if got is body:
        assert coded == [value for name, value in fields if name == "Content-Encoding"]
    return got is body


CSV = ("Content-Type", "text/csv; charset=utf-8")


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_each_coding(coding: str, method: str) -> None:
    handler, body = answer(TEXT, ("ETag", '"a"'), ("Accept-Ranges", "bytes"), accept=coding, method=method)
    assert READ[coding](body) == DATA and len(body) < 200
    assert list(handler.response.headers) == [
        ("ETag", 'W/"a"'),
        ("Vary", "Accept-Encoding"),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Encoding", coding),
    ]


def test_bytes_of_any_kind() -> None:
    for body in (DATA, bytearray(DATA), memoryview(DATA)):
        assert READ["gzip"](answer(body, CSV)[1]) == DATA


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("gzip, deflate, br, zstd", "zstd"),  # a browser
        ("gzip, br;q=0.5", "gzip"),
        ("br, gzip", "br"),
        ("*", "zstd"),
        ("gzip;q=0, deflate", None),
        ("", None),
        ("identity, gzip;q=0.5", None),
    ],
)
def test_the_weights_choose(accept: str, coding: str | None) -> None:
    handler, _ = answer(TEXT, accept=accept)
    assert handler.response.headers.get("Content-Encoding") == coding
    assert handler.response.headers["Vary"] == "Accept-Encoding"  # whatever the answer was


def test_who_does_not_say_gets_it_as_it_is() -> None:
    class Some(CompressionMixIn):
        def do_get(self) -> Any:
            return 200, TEXT

    assert Some(request_of(), ()).respond() == (200, TEXT)  # type: ignore[arg-type]


def test_what_is_not_installed_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(compression.INSTALLED) == {"zstd", "br", "gzip"}
    monkeypatch.delitem(compression._COMPRESSORS, "zstd")
    assert answer(TEXT, accept="zstd, br;q=0.1")[0].response.headers["Content-Encoding"] == "br"
    assert answer(TEXT, accept="gzip, br", codings=("gzip",))[0].response.headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize(
    "fields",
    [
        (("Content-Type", "image/png"),),
        (("Content-Type", "application/octet-stream"),),
        (("Content-Type", "nonsense"),),
        (),
        (CSV, ("Content-Encoding", "br")),
        (CSV, ("Content-Range", "bytes 0-1/2")),
        (CSV, ("Repr-Digest", "sha-256=:AA==:")),
        (CSV, ("Cache-Control", "public, No-Transform")),
        (CSV, ("Cache-Control", "public"), ("Cache-Control", "no-transform")),
    ],
)
def test_left_alone_for_its_fields(fields: tuple[tuple[str, str], ...]) -> None:
    assert untouched(DATA, *fields)


def test_left_alone_for_its_size_or_status() -> None:
    assert untouched("x" * 511) and not untouched("x" * 512)
    assert not untouched(b"x" * 64, CSV, min_bytes=64)
    assert untouched(None, CSV, status=204)
    assert untouched(DATA, CSV, status=206)
    assert untouched("", status=201) and not untouched(TEXT, status=201)
    assert untouched(["a"], CSV, ("Content-Length", "1"))
    for wrong in (7, {"a": 1}, io.StringIO(TEXT)):  # the worker reports what is wrong with them
        assert untouched(wrong, CSV)


@pytest.mark.parametrize(
    "media_type",
    ["text/html", "TEXT/CSS ;charset=x", "application/json", "application/problem+json", "image/svg+xml", "font/ttf"],
)
def test_types_worth_it(media_type: str) -> None:
    assert not untouched(DATA, ("Content-Type", media_type))


def test_what_would_grow_is_sent_as_it_is() -> None:
    noise = bytes((n * 7919 + n * n * 104729) >> 3 & 255 for n in range(600))
    handler, body = answer(noise, CSV, ("ETag", '"a"'))
    assert body == noise
    assert "Content-Encoding" not in handler.response.headers and handler.response.headers["ETag"] == '"a"'


def test_304_has_the_fields_of_the_answer_it_stands_for() -> None:
    etag = ("ETag", '"a"')
    for asked, told in (('W/"a"', 'W/"a"'), ('"x", W/"a"', 'W/"a"'), ('"a"', '"a"'), ("*", '"a"')):
        handler, _ = answer(None, etag, status=304, asked=(f"If-None-Match: {asked}",))
        assert handler.response.headers["ETag"] == told
        assert handler.response.headers["Vary"] == "Accept-Encoding"


class Closed(io.BytesIO):
    """Has no descriptor whose bytes could be sent."""


@pytest.mark.parametrize("flush", [True, False])
def test_streams_and_iterables_are_read_as_they_are_sent(flush: bool) -> None:
    taken = []

    def pieces() -> Iterator[bytes]:
        for number in range(3):
            taken.append(number)
            yield b"%d\n" % number * 100

    _, body = answer(pieces(), CSV, flush=flush)
    assert taken == []
    unzip = zlib.decompressobj(31)
    parts = iter(body)
    first = unzip.decompress(next(parts))
    assert (first, taken) == ((b"0\n" * 100, [0]) if flush else (b"", [0]))
    rest = unzip.decompress(b"".join(parts)) + unzip.flush()
    assert first + rest == b"".join(b"%d\n" % number * 100 for number in range(3)) and unzip.eof
    assert READ["gzip"](b"".join(answer(Closed(DATA), CSV)[1])) == DATA
    assert READ["gzip"](b"".join(answer([], CSV)[1])) == b""


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_a_file_is_never_whole_in_memory(coding: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA * 100)
    reads = []

    class Watched(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            reads.append(size)
            return super().read(size)

    for file in (Watched(path), path.open("rb")):
        handler, body = answer(file, CSV, accept=coding)
        assert READ[coding](b"".join(body)) == DATA * 100
        body.close()
        assert file.closed and "Content-Length" not in handler.response.headers
    assert set(reads) == {65536}
    with path.open("rb") as file:
        file.seek(len(DATA) * 100 - 100)
        assert untouched(file, CSV)  # the remaining hundred bytes


def test_closing_what_was_never_read_closes_the_body(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    file: IO[bytes] = path.open("rb")
    answer(file, CSV, method="HEAD")[1].close()
    assert file.closed
    answer([DATA], CSV)[1].close()  # a list has no `close`


@pytest.mark.parametrize("pieces", [["text"], [b"a", 5], io.TextIOWrapper(io.BytesIO(b"x"))])
def test_a_body_of_something_else_than_bytes_breaks_off(pieces: Any) -> None:
    if isinstance(pieces, list):
        with pytest.raises(BadResult, match="wanted bytes"):
            b"".join(answer(pieces, CSV)[1])
    else:
        assert untouched(pieces, CSV)


def test_errors_pass_and_it_mixes_with_other_handlers() -> None:
    class First(CompressionMixIn, JSONHandler):
        def do_get(self) -> Any:
            return 200, "Fine", [TEXT]

        def do_delete(self) -> Any:
            raise HTTPError(409)

    class Last(JSONHandler, CompressionMixIn):
        do_get = First.do_get

    for cls in (First, Last):
        handler = cls(request_of("GET", "/", "Accept-Encoding: br"), ())  # type: ignore[arg-type]
        status, reason, body = handler.respond()
        assert (status, reason) == (200, "Fine") and "世界".encode() in READ["br"](body)
        assert handler.response.headers["Content-Encoding"] == "br"
    with pytest.raises(HTTPError, match="409"):
        First(request_of("DELETE"), ()).respond()  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(ROOT / "examples" / "compressed.py", "--workers", "2", cwd=tmp_path_factory.mktemp("compressed"))
    started.wait_until_listening()
    yield started
    started.kill()


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "identity"])
def test_the_example_to_requests(server: Server, coding: str) -> None:
    source = (ROOT / "examples" / "compressed.py").read_bytes()
    table = "".join(f"{number} {number * number}\n" for number in range(10_000)).encode()
    with requests.Session() as session:
        session.headers["Accept-Encoding"] = coding
        for path, body in [("/table", table), ("/count/2", b"1\n2\n"), ("/source", source)] * 2:
            got = session.get(server.url + path, timeout=10, stream=True)
            sent = got.raw.read(decode_content=False)
            assert got.headers.get("Content-Encoding", "identity") == coding
            assert got.headers["Vary"] == "Accept-Encoding"
            assert READ[coding](sent) == body
            if coding == "gzip":  # which every client decodes by itself
                assert session.get(server.url + path, timeout=10).content == body
            head = session.head(server.url + path, timeout=10)
            unlike = {"Date": "", "Transfer-Encoding": ""}
            assert dict(head.headers) | unlike == dict(got.headers) | unlike


@pytest.mark.needs("curl")
def test_the_example_to_curl(server: Server) -> None:
    command = ["curl", "-sS", "--max-time", "10", "--compressed", "--http1.0", f"{server.url}/count/2"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"1\n2\n"


def test_pieces_leave_at_once(server: Server) -> None:
    with server.connect() as sock:
        sock.sendall(b"GET /count/99 HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
        seen, unzip = b"", zlib.decompressobj(31)
        while b"\r\n\r\n" not in seen or not seen.partition(b"\r\n\r\n")[2]:
            seen += sock.recv(65536)
        chunk = seen.partition(b"\r\n\r\n")[2].split(b"\r\n", 1)[1]
        assert unzip.decompress(chunk).startswith(b"1\n")  # the first line of an answer that takes five seconds


class TestBeforeHosts:
    """Answers as hosts give them: HEAD without a body, bodies in one piece that have to be closed."""

    def host(self, result: Any, *fields: tuple[str, str], method: str = "GET") -> Any:
        class Host(HostHandler):
            def respond(self) -> Any:
                self.take_fields(fields)
                return result

        made: Any = type("Made", (CompressionMixIn, Host), {})
        return made(request_of(method, "/", "Accept-Encoding: gzip"), ())

    @pytest.mark.parametrize("body", [b"", iter(())])
    def test_head_does_not_say_a_length_that_get_has_not(self, body: Any) -> None:
        handler = self.host((200, body), CSV, ("Content-Length", "9000"), method="HEAD")
        handler.respond()
        assert handler.response.headers["Vary"] == "Accept-Encoding"
        assert "Content-Length" not in handler.response.headers

    def test_head_of_what_is_short(self) -> None:
        handler = self.host((200, b""), CSV, ("Content-Length", "9"), method="HEAD")
        handler.respond()
        assert list(handler.response.headers) == [CSV, ("Content-Length", "9")]

    def test_one_piece_that_is_to_be_closed(self) -> None:
        handler = self.host((200, io.BytesIO(DATA)), CSV)
        body = handler.respond()[1]
        assert gzip.decompress(b"".join(body)) == DATA
        short = self.host((200, io.BytesIO(b"short")), CSV)
        assert isinstance(short.respond()[1], io.BytesIO) and "Vary" not in short.response.headers

    @pytest.mark.parametrize(
        ("fields", "vary"),
        [
            ((), "Accept-Encoding"),
            ((("Vary", "Accept"),), "Accept, Accept-Encoding"),
            ((("Cache-Control", "no-transform"),), None),
            ((("Content-Encoding", "br"),), None),
        ],
    )
    def test_a_part_varies_as_the_whole_does(self, fields: tuple[tuple[str, str], ...], vary: str | None) -> None:
        handler = self.host((206, DATA[:10]), ("Content-Range", f"bytes 0-9/{len(DATA)}"), CSV, *fields)
        assert handler.respond() == (206, DATA[:10])
        assert handler.response.headers.get("Vary") == vary
