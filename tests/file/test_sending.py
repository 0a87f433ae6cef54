"""`send_file`: the answers of a real server, with one worker, with two, and under TLS; and the names of downloads."""

from __future__ import annotations

import base64
import http.client
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from tests.authority import write_certificate
from tests.server import Answer, Server
from webpy.file.sending import content_disposition

APP = Path(__file__).parent / "apps" / "downloads.py"
TEXT = b"0123456789" * 1000
BIG = os.urandom(1 << 20)
Ask = Callable[..., Answer]


@pytest.fixture(scope="module", params=["one worker", "two workers", "TLS"])
def ask(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Gives `ask(path, method="GET", **fields) -> Answer` of apps/downloads.py."""
    cwd = tmp_path_factory.mktemp("sending")
    (cwd / "site" / "sub").mkdir(parents=True)
    (cwd / "site" / "a.txt").write_bytes(TEXT)
    (cwd / "site" / "big").write_bytes(BIG)
    (cwd / "site" / "ä €.txt").write_bytes(TEXT)
    (cwd / "site" / "fine.txt").symlink_to("a.txt")
    (cwd / "outside.txt").write_text("outside")
    (cwd / "site" / "out").symlink_to("../outside.txt")
    (cwd / "site" / "up").symlink_to("..")
    (cwd / "site" / "webpy.toml").write_text("")
    os.mkfifo(cwd / "site" / "fifo")
    options, context = ["--workers", "2" if request.param == "two workers" else "1"], None
    if request.param == "TLS":
        context = write_certificate(cwd)
        options += ["--certfile", "cert.pem"]
    server = Server(APP, *options, cwd=cwd)
    server.wait_until_listening()

    def ask(path: str, method: str = "GET", **fields: str) -> Answer:
        if context is None:
            client = http.client.HTTPConnection(*server.address, timeout=15)
        else:
            client = http.client.HTTPSConnection(*server.address, timeout=15, context=context)
        try:
            client.request(method, path, headers={name.replace("_", "-"): value for name, value in fields.items()})
            got = client.getresponse()
            return Answer(got.status, got.reason, got.headers, got.read())
        finally:
            client.close()

    yield ask
    server.kill()


def test_a_file_with_its_fields(ask: Ask) -> None:
    answer = ask("/inside/a.txt")
    assert (answer.status, answer.body) == (200, TEXT)
    headers = answer.headers
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["Content-Length"] == str(len(TEXT))
    assert headers["Accept-Ranges"] == "bytes" and headers["X-Content-Type-Options"] == "nosniff"
    assert headers["ETag"].startswith('"') and headers["Last-Modified"].endswith(" GMT")
    assert headers["Content-Disposition"] is None
    assert ask("/inside/big").body == BIG
    assert ask("/anywhere").body == b"outside"
    assert ask("/locked").body == TEXT


@pytest.mark.parametrize("path", ["/inside/a.txt", "/inside/big", "/saved", "/mixed"])
def test_head_has_the_fields_of_get(ask: Ask, path: str) -> None:
    get, head = ask(path), ask(path, "HEAD")
    assert (head.status, head.body) == (200, b"")
    for name in ("Content-Type", "Content-Length", "ETag", "Last-Modified", "Content-Disposition"):
        assert head.headers[name] == get.headers[name]


def test_conditions_and_ranges(ask: Ask) -> None:
    whole = ask("/inside/big")
    etag = whole.headers["ETag"]
    same = ask("/inside/big", If_None_Match=etag)
    assert (same.status, same.body, same.headers["ETag"], same.headers["Content-Type"]) == (304, b"", etag, None)
    assert ask("/inside/big", If_Modified_Since=whole.headers["Last-Modified"]).status == 304
    assert ask("/inside/big", If_Match='"other"').status == 412
    part = ask("/inside/big", Range="bytes=1000-1999")
    assert (part.status, part.body) == (206, BIG[1000:2000])
    assert part.headers["Content-Range"] == f"bytes 1000-1999/{len(BIG)}"
    parts = ask("/inside/big", Range="bytes=0-1,-2")
    assert parts.status == 206 and parts.headers["Content-Type"].startswith("multipart/byteranges")
    assert ask("/inside/big", Range="bytes=0-1", If_Range='"other"').status == 200
    beyond = ask("/inside/big", Range=f"bytes={len(BIG)}-")
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{len(BIG)}")


@pytest.mark.parametrize(
    "name",
    ["none", "", "sub", "../outside.txt", "/etc/passwd", "out", "up/outside.txt", "sub/../../outside.txt", "a\0b",
     "a.txt/", "a.txt/b", "webpy.toml", "fifo", "x" * 300],
)  # fmt: skip
def test_nothing_else_is_sent(ask: Ask, name: str) -> None:
    answer = ask(f"/inside/{quote(name, safe='')}")
    assert answer.status in (404, 400) and b"outside" not in answer.body


def test_what_is_inside_after_all_is_sent(ask: Ask) -> None:
    assert ask("/inside/fine.txt").body == TEXT, "a link to something inside is followed"
    assert ask("/inside/sub%2F..%2Fa.txt").body == TEXT


def test_a_download_has_the_name_of_its_file(ask: Ask) -> None:
    said = ask("/saved").headers["Content-Disposition"]
    assert said == "attachment; filename=\"a _.txt\"; filename*=UTF-8''%C3%A4%20%E2%82%AC.txt"


def test_what_the_handler_has_set_is_kept(ask: Ask) -> None:
    answer = ask("/named/Bericht%20M%C3%A4rz.csv")
    headers = answer.headers
    assert headers["Content-Type"] == "text/csv; header=present"
    assert headers["Cache-Control"] == "no-store" and headers["Set-Cookie"] == "seen=1"
    assert unquote(headers["Content-Disposition"]).endswith("; filename*=UTF-8''Bericht März.csv")
    several = ask("/named/x", Range="bytes=0-1,-2")
    assert several.body.count(b"Content-Type: text/csv; header=present\r\n") == 2


def test_with_mix_ins(ask: Ask) -> None:
    plain, small = ask("/mixed"), ask("/mixed", Accept_Encoding="gzip")
    assert (plain.body, small.headers["Content-Encoding"]) == (TEXT, "gzip")
    assert len(small.body) < len(TEXT) and small.headers["ETag"] == "W/" + plain.headers["ETag"]
    assert ask("/mixed", Accept_Encoding="gzip", If_None_Match=small.headers["ETag"]).status == 304
    assert ask("/mixed", Accept_Encoding="gzip", Range="bytes=0-9").body == TEXT[:10]
    assert ask("/guarded").status == 401
    token = base64.b64encode(b"ann:sesame").decode()
    answer = ask("/guarded", Authorization=f"Basic {token}")
    assert (answer.status, answer.body) == (200, TEXT) and "Set-Cookie" in answer.headers


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("report.pdf", 'attachment; filename="report.pdf"'),
        ("two words.pdf", 'attachment; filename="two words.pdf"'),
        ("März.pdf", "attachment; filename=\"Marz.pdf\"; filename*=UTF-8''M%C3%A4rz.pdf"),
        ("報告.pdf", "attachment; filename=\"__.pdf\"; filename*=UTF-8''%E5%A0%B1%E5%91%8A.pdf"),
        ('a"b\\c.txt', "attachment; filename=\"a_b_c.txt\"; filename*=UTF-8''a%22b%5Cc.txt"),
        ("100%41.txt", "attachment; filename=\"100_41.txt\"; filename*=UTF-8''100%2541.txt"),
        ("../../etc/passwd", "attachment; filename=\".._.._etc_passwd\"; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd"),
        ("a\r\nSet-Cookie: x=1", 'attachment; filename="aSet-Cookie: x=1"'),
        ("txt.\u202eexe", 'attachment; filename="txt.exe"'),
        ("\udcff.txt", "attachment; filename=\"?.txt\""),
        ("", "attachment"),
    ],
)  # fmt: skip
def test_names_of_downloads(name: str, field: str) -> None:
    assert content_disposition(name) == field


def test_no_name_can_end_the_field() -> None:
    for number in range(0x3000):
        field = content_disposition(f"a{chr(number)}b")
        assert field.isascii() and field.isprintable() and field.count('"') == 2
