"""webpy.json.text: what is read, what is refused, and the place that the message names."""

from __future__ import annotations

import json as standard
import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.server import ROOT
from webpy import HTTPError, json


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
    source = "import json, webpy.json; assert json.loads('1') == 1 and webpy.json.text.json is json is not webpy.json"
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
