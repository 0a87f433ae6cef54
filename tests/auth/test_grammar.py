"""Fields of credentials and challenges, taken apart and put together."""

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
    began = time.monotonic()
    for piece in (" ", ",", '"\\', "a=", "a ", 'a="', "\\"):
        for parse in (grammar.parameters, grammar.scheme_and_token, grammar.TOKEN68.fullmatch):
            with contextlib.suppress(ValueError):
                parse(piece * 8000)
    assert time.monotonic() - began < 2


def test_quoted() -> None:
    assert grammar.quoted('a "b\\"') == r'"a \"b\\\""'
    assert grammar.quoted("é") == '"Ã©"'  # its UTF-8, a character a byte
    assert grammar.text_of("Ã©") == "é" and grammar.text_of("\xe9") == "\ufffd"
    for bad in ("a\r\nSet-Cookie: b", "a\0", "\x7f"):
        with pytest.raises(ValueError, match="control characters"):
            grammar.quoted(bad)
