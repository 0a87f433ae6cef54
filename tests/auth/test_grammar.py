"""Parsing fields with credentials."""

from __future__ import annotations

import contextlib
import time

import pytest

from webpy.auth import grammar


def test_scheme_and_token() -> None:
    assert grammar.scheme_and_token(" BASIC \t YQ== \t") == ("basic", "YQ==")
    assert grammar.scheme_and_token("Any") == ("any", "")
    for bad in ("", ":", "a/b c", "\xe9 x", '"Basic" x', "Basic,", "a\0b c"):
        with pytest.raises(ValueError, match="wanted a scheme"):
            grammar.scheme_and_token(bad)


def test_parameters() -> None:
    given = r' , a=b,,C = "d\"e\\, f=g" ,h="" , '
    assert grammar.parameters(given) == {"a": "b", "c": 'd"e\\, f=g', "h": ""}
    for bad in ("", ",", "a", "a=", '"a"', 'a="b', "a=b c=d", "a=b, A=c", 'a="\0"', "a=b;c", "a=b, c", 'a="b"c', "a=/"):
        with pytest.raises(ValueError):
            grammar.parameters(bad)


def test_no_field_takes_long() -> None:
    began = time.thread_time()
    for piece in (" ", ",", '"\\', "a=", "a ", 'a="', "\\"):
        for parse in (grammar.parameters, grammar.scheme_and_token):
            with contextlib.suppress(ValueError):
                parse(piece * 8000)
    assert time.thread_time() - began < 2


def test_the_text_of_a_value_is_utf_8() -> None:
    assert grammar.text_of("Ã©") == "é" and grammar.text_of("\xe9") == "\ufffd"
