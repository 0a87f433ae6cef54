"""The access log: records are parsed back, with values a hostile client would send."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webpy.accesslog import ATOMS, compile_format
from webpy.protocol.fields import FieldLine

ODD_TEMPLATE = '"%(r)s" "%({x-y}i)s"'
HEAD_TEMPLATE = "%(h)s|%(m)s|%(U)s|%(q)s|%(H)s|%(u)s|%(p)s|%(L)s|%({x}i)s"
COMBINED = re.compile(
    rb"(?P<peer>\S+) - - \[(?P<time>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\]"
    rb' "(?P<request>[^"]*)" (?P<status>\d{3}|killed) (?P<bytes>\d+)'
    rb' "(?P<referer>[^"]*)" "(?P<agent>[^"]*)" (?P<us>\d+)\n'
)
ANSWER = b'HTTP/1.1 200 OK\r\nVary: Accept, "Origin"\r\nx-request-id:  7f-3\r\nX-Request-ID: other\r\nX-Empty:\r\n\r\n'
HOSTILE = 'x" 200 9\r\n127.0.0.1 - - "forged\\ \x00\x1b[31m\x7f\xe9\xff'


@dataclass(frozen=True)
class Head:
    method: str = "GET"
    resource: str = "/notes/1?full=yes"
    line: bytes = b"GET /notes/1?full=yes HTTP/1.1"
    fields: dict[str, str] = field(default_factory=dict)

    def get(self, name_lower: str, /) -> str | None:
        return self.fields.get(name_lower)

    def field_line(self, name_lower: str, /) -> FieldLine | None:
        value = self.fields.get(name_lower)
        return None if value is None else FieldLine(name_lower, value)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def record(name: str, head: Head, status: int = 200, body_bytes: int = 13, us: int = 85) -> bytes:
    made = compile_format(name)
    return made.line(b"127.0.0.1", made.stamp(1_795_172_400.9), made.parts(head), status, body_bytes, us)


def unescape(value: bytes) -> bytes:
    return re.sub(rb"\\x([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), value)


@pytest.mark.usefixtures("berlin")
def test_combined_word_for_word() -> None:
    head = Head(fields={"referer": "http://a/", "user-agent": "curl/8"})
    assert record("combined", head) == (
        b'127.0.0.1 - - [20/Nov/2026:12:00:00 +0100] "GET /notes/1?full=yes HTTP/1.1" 200 13'
        b' "http://a/" "curl/8" 85\n'
    )


@pytest.mark.usefixtures("berlin")
def test_common_word_for_word() -> None:
    assert record("common", Head()) == (
        b'127.0.0.1 - - [20/Nov/2026:12:00:00 +0100] "GET /notes/1?full=yes HTTP/1.1" 200 13\n'
    )


@pytest.mark.usefixtures("berlin")
def test_json_has_every_key_and_ends_with_the_time_taken() -> None:
    line = record("json", Head(fields={"host": "a:80", "user-agent": "curl/8"}))
    assert line.endswith(b',"time_us":85}\n')
    read = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0[12]:00", read.pop("time"))
    assert read == {
        "peer": "127.0.0.1",
        "request": "GET /notes/1?full=yes HTTP/1.1",
        "method": "GET",
        "target": "/notes/1?full=yes",
        "host": "a:80",
        "referer": None,
        "agent": "curl/8",
        "status": 200,
        "bytes": 13,
        "time_us": 85,
    }


def test_json_has_the_present_millisecond_whatever_second_the_stamp_is_of() -> None:
    made = compile_format("json")
    for age_s in (0.0, 1.5, 30.0):
        stamp = made.stamp(time.time() - age_s)
        read = [json.loads(made.line(b"1.2.3.4", stamp, made.parts(Head()), 200, 1, 1))["time"] for _ in range(3)]
        assert abs(datetime.fromisoformat(read[0]).timestamp() - time.time()) < 5
        assert read == sorted(read)
    assert json.loads(made.lost(b"1.2.3.4 GET / HTTP/1.1", 1e9 + 0.25, 1))["time"].split(".")[1][:3] == "250"


def test_combined_escapes_what_a_client_sends() -> None:
    head = Head(line=HOSTILE.encode("latin-1"), fields={"referer": HOSTILE, "user-agent": HOSTILE})
    line = record("combined", head)
    assert line.count(b"\n") == 1 and line.isascii()
    match = COMBINED.fullmatch(line)
    assert match
    for name in ("request", "referer", "agent"):
        assert unescape(match[name]) == HOSTILE.encode("latin-1")
    assert rb"x\x22 200 9\x0D\x0A127.0.0.1" in line and rb"forged\x5C \x00\x1B[31m\x7F\xE9\xFF" in line


@given(st.binary(max_size=80), st.binary(max_size=80), st.sampled_from(["combined", "json", ODD_TEMPLATE]))
def test_any_bytes_give_one_line_that_reads_back(first: bytes, value: bytes, name: str) -> None:
    text = value.decode("latin-1")
    line = record(name, Head(line=first, fields={"referer": text, "user-agent": text, "x-y": text}))
    assert line.endswith(b"\n") and re.search(rb"[\0-\x1f\x7f-\xff]", line[:-1]) is None
    if name == "json":
        read = json.loads(line)
        assert (read["request"], read["agent"]) == (first.decode("latin-1"), text)
    else:
        quoted = re.findall(rb'"([^"]*)"', line)
        assert unescape(quoted[0]) == first and unescape(quoted[-1]) == (value or b"-")


def test_a_field_beyond_latin_1_is_still_one_ascii_line() -> None:
    line = record("combined", Head(fields={"user-agent": "€\udcff"}))
    assert line.isascii() and COMBINED.fullmatch(line)


@pytest.mark.parametrize("raw", [b"", b"\x16\x03\x01", b'GET /"\n HTTP/1.1', b" ", b"GET  / HTTP/1.1"])
@pytest.mark.parametrize("name", ["common", "combined", "json", HEAD_TEMPLATE])
def test_a_request_that_did_not_parse(name: str, raw: bytes) -> None:
    made = compile_format(name)
    line = made.line(b"unix", made.stamp(0.0), made.unparsed(raw), 400, 30, 7)
    assert line.count(b"\n") == 1 and line.isascii()
    if name == "json":
        assert json.loads(line)["request"] == raw.decode("latin-1") and json.loads(line)["status"] == 400
    if name == "combined":
        match = COMBINED.fullmatch(line)
        assert match and unescape(match["request"]) == raw and match["status"] == b"400"


def test_a_request_that_died_with_its_worker() -> None:
    text = b"10.0.0.7 PUT /a?b HTTP/1.1" + bytes(200)
    match = COMBINED.fullmatch(compile_format("combined").lost(text, 1e9, 1234))
    assert match
    assert (match["peer"], match["request"]) == (b"10.0.0.7", b"PUT /a?b HTTP/1.1")
    assert (match["status"], match["bytes"], match["us"]) == (b"killed", b"0", b"1234")
    read = json.loads(compile_format("json").lost(text, 1e9, 1234))
    assert (read["status"], read["killed"], read["method"], read["target"]) == (0, True, "PUT", "/a?b")
    assert list(read)[-1] == "time_us"
    assert compile_format("%(s)s %(p)s %(m)s").lost(text, 1e9) == b"killed - PUT\n"


@given(st.binary(max_size=240), st.sampled_from(["common", "combined", "json", HEAD_TEMPLATE]))
def test_lost_takes_any_bytes(text: bytes, name: str) -> None:
    line = compile_format(name).lost(text, 1e9)
    assert line.count(b"\n") == 1 and line.isascii()
    if name == "json":
        assert json.loads(line)["killed"] is True
    if name == "combined":
        assert COMBINED.fullmatch(line)


def test_every_atom() -> None:
    head = Head(
        fields={
            "referer": "http://a/",
            "user-agent": "curl/8",
            "authorization": "Basic YW5uOnNlY3JldA==",
            "x-forwarded-for": "9.9.9.9",
        }
    )
    fields = ["%({X-Forwarded-For}i)s", "%({X-Request-ID}o)s"]
    atoms = [a for a in ATOMS if a not in ("%%", "%({name}i)s", "%({name}o)s")] + [*fields, "%%"]
    made = compile_format("\t".join(atoms))
    parts = made.answered(made.parts(head), ANSWER)
    line = made.line(b"::1", b"[now]", parts, 404, 77, 3_045_006)
    got = dict(zip(atoms, line.removesuffix(b"\n").decode().split("\t"), strict=True))
    assert got == {
        "%(h)s": "::1",
        "%(l)s": "-",
        "%(u)s": "ann",
        "%(t)s": "[now]",
        "%(r)s": "GET /notes/1?full=yes HTTP/1.1",
        "%(m)s": "GET",
        "%(U)s": "/notes/1",
        "%(q)s": "full=yes",
        "%(H)s": "HTTP/1.1",
        "%(s)s": "404",
        "%(B)s": "77",
        "%(b)s": "77",
        "%(f)s": "http://a/",
        "%(a)s": "curl/8",
        "%(T)s": "3",
        "%(M)s": "3045",
        "%(D)s": "3045006",
        "%(L)s": "3.045006",
        "%(p)s": f"<{os.getpid()}>",
        "%({X-Forwarded-For}i)s": "9.9.9.9",
        "%({X-Request-ID}o)s": "7f-3",
        "%%": "%",
    }


def test_fields_of_the_answer() -> None:
    fields = '%({vary}o)s:%({X-Request-ID}o)s %(s)s "%({x.request-id}o)s" %({x-empty}o)s %({etag}o)s%%'
    made = compile_format(f"%(m)s:{fields}")
    assert made.reads_answers
    parts = made.parts(Head())
    assert made.line(b"unix", b"", made.answered(parts, ANSWER), 200, 1, 2) == (
        rb'GET:Accept, \x22Origin\x22:7f-3 200 "-" - -%' + b"\n"
    )
    assert made.line(b"unix", b"", parts, 200, 1, 2) == b'GET:-:- 200 "-" - -%\n'  # parts serve the next answer too
    assert made.line(b"unix", b"", made.unparsed(b"x"), 400, 1, 2) == b'-:-:- 400 "-" - -%\n'
    assert made.lost(b"unix GET / HTTP/1.1", 0.0) == b'GET:-:- killed "-" - -%\n'


@pytest.mark.parametrize("name", ["common", "combined", "json", HEAD_TEMPLATE])
def test_most_formats_read_no_answer(name: str) -> None:
    made = compile_format(name)
    parts = made.parts(Head())
    assert not made.reads_answers and made.answered(parts, ANSWER) == parts


@pytest.mark.parametrize("token", ["Basic !!!", "Basic", "Bearer YW5u", "Basic Og=="])
def test_no_user_name(token: str) -> None:
    assert record("%(u)s", Head(fields={"authorization": token})) == b"-\n"


@pytest.mark.parametrize(
    "template, names",
    [
        ("%(h)s %(Z)s", "%(Z)s"),
        ("%(h)s %({x}e)s", "%({x}e)s"),
        ("%(h)s %({x y}o)s", "%({x y}o)s"),
        ("%(h)s 5% of", "lone % at character 7"),
        ("%(h)s %(s)d", "lone % at character 6"),
        ("%(h)s %", "lone %"),
        ("%(h)s\n%(s)s", "control character"),
        ("combind", "neither a known name nor an atom"),
        ("", "neither a known name nor an atom"),
    ],
)
def test_a_template_that_is_wrong_is_named_with_what_was_wanted(template: str, names: str) -> None:
    with pytest.raises(ValueError) as caught:
        compile_format(template)
    assert repr(template) in str(caught.value) and names in str(caught.value)
    assert "combined" in str(caught.value) and "%(h)s" in str(caught.value)


def test_literal_percent_signs_and_other_letters() -> None:
    assert record("ä 100%% %(s)s%% {}", Head()) == "ä 100% 200% {}\n".encode()


def test_months() -> None:
    months = [compile_format("common").stamp(i * 30.5 * 86400 + 86400 * 9).split(b"/")[1] for i in range(12)]
    assert months == b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
