"""application/x-www-form-urlencoded."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.form.forms import URLENCODED, Show, post, refused
from webpy import HTTPError
from webpy.form import Form


def test_a_mapping_of_name_to_text() -> None:
    form = post(URLENCODED, b"a=1&b=two+words&c=%C3%BC%26%3D&d=&e&=f&a=2&&")[1]
    assert form == {"a": "2", "b": "two words", "c": "ü&=", "d": "", "e": "", "": "f"}
    assert form.getlist("a") == ["1", "2"]
    assert form.getlist("z") == [] and form.get("z") is None
    assert json.loads(json.dumps(form)) == form


@pytest.mark.parametrize("content_type", [URLENCODED.upper(), f"{URLENCODED} ; charset=UTF-8"])
def test_the_type_has_no_case_and_may_have_parameters(content_type: str) -> None:
    assert post(content_type, b"a=1")[1] == {"a": "1"}


def test_percents_that_encode_nothing_are_themselves() -> None:
    assert post(URLENCODED, b"a=100%&b=%zz&c=%4")[1] == {"a": "100%", "b": "%zz", "c": "%4"}


def test_raw_bytes_are_text_too() -> None:
    assert post(URLENCODED, "ä=ö".encode())[1] == {"ä": "ö"}


def test_charset_by_field_or_by_the_handler() -> None:
    class Western(Show):
        form_charset = "windows-1252"

    assert post(URLENCODED, b"n%E4me=%80", Western)[1] == {"näme": "€"}
    assert post(URLENCODED, b"_charset_=iso-8859-15&n%E4me=%A4")[1]["näme"] == "€"
    assert refused(lambda: post(URLENCODED, b"a=%E4")) == (400, "the value of field 'a' is not utf-8\n")
    assert refused(lambda: post(URLENCODED, b"%E4=a")) == (400, "the name of a field is not utf-8\n")


@given(st.dictionaries(st.text(), st.text()))
def test_what_urlencode_writes(sent: dict[str, str]) -> None:
    sent = {k: v for k, v in sent.items() if k != "_charset_" and (k + v).isprintable()}
    body = urlencode(sent).encode()
    assert (post(URLENCODED, body)[1] if body else {}) == sent


@given(st.binary(min_size=1, max_size=200))
def test_any_bytes_are_a_form_or_a_400(body: bytes) -> None:
    try:
        assert isinstance(post(URLENCODED, body)[1], Form)
    except HTTPError as error:
        assert error.status == 400


def test_no_body_is_an_empty_form() -> None:
    for content_type in (None, URLENCODED, "multipart/form-data; boundary=x", "text/plain"):
        form = post(content_type, b"")[1]
        assert form == {} and form.getlist("a") == []
