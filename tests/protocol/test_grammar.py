"""The grammar that all field values share: lists, parameters, quoted strings, weights, dates, urlencoded text."""

from __future__ import annotations

import contextlib
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_layers import MODULES, ROOT
from webpy.protocol import grammar


def test_quoted() -> None:
    assert grammar.quoted('a "b\\"') == r'"a \"b\\\""'
    assert grammar.quoted("é") == '"Ã©"'  # its UTF-8, a character a byte
    for bad in ("a\r\nSet-Cookie: b", "a\0", "\x7f", "a\tb"):
        with pytest.raises(ValueError, match="control characters"):
            grammar.quoted(bad)


def test_unquoted() -> None:
    assert [grammar.unquoted(value) for value in ("", "a b", '""', r'"a\"\\;,b"')] == ["", "a b", "", 'a"\\;,b']
    for bad in ('"', '"a', 'a"', '"a"b', '"a\\"', '"a\0"', '"a" "b"'):
        with pytest.raises(ValueError, match="not a quoted string"):
            grammar.unquoted(bad)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
def test_a_quoted_string_is_read_back(text: str) -> None:
    assert grammar.unquoted(grammar.quoted(text)).encode("latin-1").decode() == text


def test_extended_values() -> None:
    assert grammar.extended_value("UTF-8''na%C3%AFve") == ("utf-8", "na%C3%AFve")
    assert grammar.extended_value("iso-8859-1'en'%A3") == ("iso-8859-1", "%A3")
    for bad in ("", "a", "utf-8'a", "''a", "utf-8''a'b"):
        with pytest.raises(ValueError, match="wanted CHARSET"):
            grammar.extended_value(bad)


@pytest.mark.parametrize(
    ("value", "separator", "pieces"),
    [
        ("", ",", [""]),
        ("a, b,,c ", ",", ["a", " b", "", "c "]),
        ('a="1,2";x, b', ",", ['a="1,2";x', " b"]),
        (r'"\",", b', ",", [r'"\","', " b"]),
        ('a, "b, c', ",", ["a", ' "b, c']),  # not closed: it reaches to the end
        ('"a\\', ",", ['"a\\']),
        ('a;b="c;d";e', ";", ["a", 'b="c;d"', "e"]),
        ('a,"b";c', ";", ['a,"b"', "c"]),
    ],
)
def test_split_list(value: str, separator: str, pieces: list[str]) -> None:
    assert grammar.split_list(value, separator) == pieces


def test_members() -> None:
    assert grammar.members(' a ,, "b, c" ,\t,d') == ["a", '"b, c"', "d"]
    assert grammar.members(" , ") == []
    assert grammar.token_list(' Close,, "a,Keep-Alive\t') == ["close", '"a', "keep-alive"]


def test_parameters() -> None:
    value = 'form-data; Name="a;b"; filename = "c \\"d\\"" ;x=----=_Part;y; =z;e='
    assert grammar.parameters(value) == [
        ("name", '"a;b"'),
        ("filename", '"c \\"d\\""'),
        ("x", "----=_Part"),
        ("", "z"),
        ("e", ""),
    ]
    assert grammar.parameters("text/plain") == []
    assert grammar.media_type(" Text/HTML ; charset=x") == "text/html"


@pytest.mark.parametrize("text", ['a=b', 'a="b c"', 'a=""'])
def test_parameter_is_strict(text: str) -> None:
    assert grammar.PARAMETER.fullmatch(text) and grammar.AUTH_PARAMETER.fullmatch(text.replace("=", " =\t"))
    for bad in (f" {text}", text.replace("=", " ="), f"{text};", "a", "a=", "=b", 'a="b', "a=b c"):
        assert not grammar.PARAMETER.fullmatch(bad)


def test_dates_of_two_digits_need_a_year() -> None:
    assert grammar.parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT", 2026) == 784111777.0
    late = grammar.parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT", 2050)
    assert late is not None and grammar.http_date(late).split()[3] == "2094"


def test_urlencoded() -> None:
    assert list(grammar.urlencoded_pairs(b"a=1+2&&b&=c&d=%41%zz=e&%C3%A9=%ff")) == [
        (b"a", b"1 2"),
        (b"b", b""),
        (b"", b"c"),
        (b"d", b"A%zz=e"),
        (b"\xc3\xa9", b"\xff"),
    ]
    assert grammar.BAD_ESCAPE.search("a%2") and not grammar.BAD_ESCAPE.search("a%2f%2F")


def test_no_value_takes_long() -> None:
    began = time.thread_time()
    for piece in (" ", ",", ";", '"', '"\\', "a=", "a ", 'a="', "\\", '",', "';", "%"):
        value = piece * (32768 // len(piece))
        for parse in (grammar.members, grammar.parameters, grammar.weigh, grammar.unquoted, grammar.extended_value):
            with contextlib.suppress(ValueError):
                parse(value)
        for pattern in (grammar.QUOTED_STRING, grammar.TOKEN68, grammar.PARAMETER, grammar.AUTH_PARAMETER):
            pattern.fullmatch(value)
    assert time.thread_time() - began < 3


def test_grammar_stands_in_one_place() -> None:
    """No other module spells out what a token, a month or a form is."""
    spelled = re.compile(r"`\|~|\"Jan\"|parse_qsl?\(|unquote_plus|formatdate|\.replace\(b?\"\+\"")
    may = {
        "webpy.store.memcached": "the options of a store's URL, which the operator writes",
        "webpy.store.redis": "the options of a store's URL, which the operator writes",
    }
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for module, path in MODULES.items()
        if not module.startswith("webpy.protocol.grammar") and module not in may
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if spelled.search(line)
    ]
    assert not found, "\n".join(found)
