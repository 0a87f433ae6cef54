"""The normal form of paths: what it is for all the odd ones, and what holds for any (RFC 3986 section 6.2.2)."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webpy.protocol import ProtocolError
from webpy.protocol.path import decoded, escaped, hides_separator, is_normal, normal_path

from .bad_input import NORMAL

PIECES = ("/", "//", "/./", "/../", "..", ".", "%2e", "%2E%2e", "a", "%61", "%2F", "%2f", "%5c", "%25", "%2561", "%00")
PIECES += ("%C3%A9", "%c0%ae", "@", "%40", ";", "%3b", "{", "%7B", "~", "%7e", "+", "%20")
paths = st.lists(st.sampled_from(PIECES), max_size=8).map(lambda pieces: "/" + "".join(pieces))


def normal_or_none(path: str) -> str | None:
    try:
        return normal_path(path)
    except ProtocolError as error:
        assert error.status == 400
        return None


@pytest.mark.parametrize("sent", NORMAL)
def test_a_path_has_one_normal_form(sent: str) -> None:
    path, normal = sent.partition("?")[0], NORMAL[sent].partition("?")[0]
    assert normal_path(path) == normal
    assert normal_path(normal) == normal and is_normal(normal)
    assert is_normal(path) == (path == normal)


@given(paths)
def test_a_normal_form_is_as_normal_as_can_be(path: str) -> None:
    normal = normal_or_none(path)
    if normal is not None:
        assert normal_path(normal) == normal
        assert normal[0] == "/" and "//" not in normal
        assert not {".", ".."} & set(normal.split("/"))
        assert re.fullmatch(r"(?:[^%]|%[0-9A-F]{2})*", normal)
        assert not re.search("%(?:4[1-9A-F]|5[0-9A]|6[1-9A-F]|7[0-9AE]|3[0-9]|2[DE]|5F)", normal)


@given(paths)
def test_a_normal_form_means_what_was_sent(path: str) -> None:
    """To whoever decodes it once, as a file system would: an escaped slash stays within its segment."""
    normal = normal_or_none(path)
    within = [unquote_to_bytes(segment).replace(b"/", b"\xff") for segment in path.split("/")]
    depth = 0
    for segment in within:
        depth += -1 if segment == b".." else segment not in (b"", b".")
        if depth < 0:
            assert normal is None
            return
    assert normal is not None
    found = [unquote_to_bytes(segment).replace(b"/", b"\xff") for segment in normal.split("/")]
    assert posixpath.normpath(b"/".join(found)) == re.sub(b"^//", b"/", posixpath.normpath(b"/".join(within)))


@given(paths)
def test_other_spellings_are_equal_to_who_decodes_them(path: str) -> None:
    normal = normal_or_none(path)
    if normal is not None:
        for other in (decoded(normal), escaped(normal)):
            assert unquote_to_bytes(other) == unquote_to_bytes(normal) and is_normal(other)
        assert decoded(escaped(normal)) == decoded(normal) and escaped(decoded(normal)) == escaped(normal)


def test_other_spellings() -> None:
    assert decoded("/%40%7Ba%2F%3F%23%25%20%5C/{@") == "/@{a%2F%3F%23%25%20%5C/{@"
    assert escaped("/@{a%2F~/") == "/%40%7Ba%2F~/"
    assert hides_separator("/a%2F") and hides_separator("/%00") and not hides_separator("/a/%5C%252F")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/a\\b", r"'\\\\' in the path '/a\\\\b', wanted it percent-encoded"),
        ("/a b", "' ' in the path '/a b'"),
        ("/\x00", r"'\\x00' in the path"),
        ("/é", r"'\\xe9' in the path"),
        ("/100%", "a % without two hex digits behind it in the path '/100%'"),
        ("/a/../..", r"the path '/a/../..' leads above the root"),
        ("/%2e%2e", r"the path '/..' leads above the root"),
    ],
)
def test_what_has_no_normal_form_is_named(path: str, message: str) -> None:
    with pytest.raises(ProtocolError, match=message) as caught:
        normal_path(path)
    assert caught.value.status == 400 and not is_normal(path)


def test_a_path_of_many_segments_takes_no_longer_for_each() -> None:
    assert normal_path("/a/.." * 100_000 + "/b%2e") == "/b."
    assert normal_path("/" * 100_000) == "/"
