"""Limits of forms and parts that clients send. Without a server: entities are read from bytes."""

from __future__ import annotations

import io
import re
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from webpy.objects import HTTPError, serving
from webpy.objects.messages.fields import HeaderMap
from webpy.objects.messages.requestbody import RequestBody


@pytest.fixture(autouse=True)
def nothing_served() -> Iterator[None]:
    yield
    serving.clear()


def read(content_type: str, body: bytes) -> dict[str, Any]:
    headers = HeaderMap({"Content-Type": content_type, "Content-Length": str(len(body))})

    class _Request:
        pass

    request: Any = _Request()
    request.headers = headers
    serving.load(request, None)
    params: dict[str, Any] = {}
    RequestBody(io.BytesIO(body), headers, params).process()
    return params


def refused(content_type: str, body: bytes) -> int:
    with pytest.raises(HTTPError) as caught:
        read(content_type, body)
    return caught.value.code


FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"


def part(headers: str, content: bytes = b"1") -> bytes:
    return b"--b\r\n" + headers.encode() + b"\r\n\r\n" + content + b"\r\n"


def test_parameters() -> None:
    assert len(read(FORM, b"&".join(b"%d=1" % number for number in range(10_000)))) == 10_000
    assert refused(FORM, b"&" * 10_000) == 413
    assert refused(FORM, b";" * 10_000) == 413


def test_parts() -> None:
    name = "Content-Disposition: form-data; name=a"
    assert len(read(MULTIPART, part(name) * 1000 + b"--b--\r\n")["a"]) == 1000
    assert refused(MULTIPART, part(name) * 1001 + b"--b--\r\n") == 413


def test_headers_of_a_part() -> None:
    name = "Content-Disposition: form-data; name=a"
    assert read(MULTIPART, part(f"{name}\r\nX: {'x' * 16000}") + b"--b--\r\n") == {"a": "1"}
    assert refused(MULTIPART, part(f"{name}\r\nX: {'x' * 17000}") + b"--b--\r\n") == 400
    assert refused(MULTIPART, part("\r\n".join([name, *["X: y"] * 3000])) + b"--b--\r\n") == 400
    for broken in ("no colon", ": nameless", " continued: but nothing before"):
        assert refused(MULTIPART, part(broken) + b"--b--\r\n") == 400


def nested(depth: int) -> bytes:
    body = b"innermost"
    for level in range(depth, 0, -1):
        body = b"--%d\r\nContent-Type: multipart/mixed; boundary=%d\r\n\r\n%b\r\n--%d--\r\n" % (
            *(level, level + 1, body, level),
        )
    return body


def test_depth() -> None:
    assert read("multipart/mixed; boundary=1", nested(3)) == {"parts": ""}
    assert refused("multipart/mixed; boundary=1", nested(100)) == 400
    assert refused("multipart/mixed; boundary=1", nested(7)) == 400


@pytest.mark.parametrize(
    "boundary", ["", "x" * 202, "caf\u00e9", "ends with a blank "], ids=["none", "long", "not ASCII", "blank"]
)
def test_boundaries(boundary: str) -> None:
    assert refused(f'multipart/form-data; boundary="{boundary}"', b"--b\r\n") == 400


def test_files_are_rewound_and_charsets_unknown_are_no_fault_of_the_server() -> None:
    name = 'Content-Disposition: form-data; name=a; filename="x"'
    with read(MULTIPART, part(name, b"y" * 100_000) + b"--b--\r\n")["a"].file as file:
        assert file.read() == b"y" * 100_000
    assert refused(f"{FORM}; charset=ascii", b"a=%ff") == 400
    assert read(f"{FORM}; charset=none-such", b"a=%c3%a9") == {"a": "\u00e9"}
    assert refused(MULTIPART, part("Content-Disposition: form-data; filename*=none-such''%e9") + b"--b--\r\n") == 400


@pytest.mark.parametrize("line", [b"\n", b"\r\n", b"\r\n-", b"\r\n--", b"\r\n--c"], ids=repr)
@pytest.mark.parametrize("filename", ["", '; filename="x"'], ids=["field", "file"])
def test_what_lines_a_part_has_costs_nothing(line: bytes, filename: str) -> None:
    """8 MB of line ends took 7.6 s once; they must take as long as 8 MB of anything else, within measuring errors."""

    def cost_s(content: bytes) -> float:
        body = part(f"Content-Disposition: form-data; name=a{filename}", content) + b"--b--\r\n"
        began = time.process_time()
        found = read(MULTIPART, body)["a"]
        took_s = time.process_time() - began
        if filename:
            found.file.close()
        return took_s

    size = 4 << 20
    assert cost_s(line * (size // len(line))) < 0.5 + 20 * cost_s(b"x" * size)


def test_without_the_parser_the_log_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "multipart", None)
    with pytest.raises(ImportError, match=re.escape("pip install 'webpy[form]'")):
        read(MULTIPART, part("Content-Disposition: form-data; name=a") + b"--b--\r\n")
    assert read(FORM, b"a=1") == {"a": "1"}
