"""Which paths stand for which files, and that no path leads out of the directory."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webpy.file.names import link_to, local_name, shown


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", b""),
        ("/a", b"a"),
        ("/a/b.txt", b"a/b.txt"),
        ("/a/", b"a/"),
        ("/a%20b", b"a b"),
        ("/%FF%fe", b"\xff\xfe"),
        ("/%C3%BC", b"\xc3\xbc"),
        ("/a%", b"a%"),
        ("/a%zz", b"a%zz"),
        ("/a%252e", b"a%2e"),
        ("/a..b/c.", b"a..b/c."),
        ("/a\\..\\b", b"a\\..\\b"),
        ("/.well-known/acme", b".well-known/acme"),
        ("/.well-known/", b".well-known/"),
        ("", None),
        ("a", None),
        ("*", None),
        ("//", None),
        ("//a", None),
        ("/a//b", None),
        ("/a//", None),
        ("/.", None),
        ("/..", None),
        ("/../a", None),
        ("/a/..", None),
        ("/a/../b", None),
        ("/a/./b", None),
        ("/%2e%2e/a", None),
        ("/%2E./a", None),
        ("/a%2fb", None),
        ("/a%2F..%2fb", None),
        ("/%2f", None),
        ("/a%00", None),
        ("/a/%00/b", None),
        ("/.git/config", None),
        ("/a/.htaccess", None),
        ("/%2ehidden", None),
        ("/a/.well-known/x", None),
        ("/.well-known/.hidden", None),
        ("/.well-knownx", None),
    ],
)
def test_names(path: str, name: bytes | None) -> None:
    assert local_name(path) == name


@given(st.text(st.sampled_from("/.%2eEfF0a\\"), max_size=20))
def test_no_path_leads_up_or_to_hidden_files(path: str) -> None:
    name = local_name("/" + path)
    if name is not None:
        assert not name.startswith(b"/")
        assert all(part and part[:1] != b"." for part in name.rstrip(b"/").split(b"/") if name), name
        assert b"//" not in name and b"\0" not in name


@given(st.binary(min_size=1).filter(lambda name: name[:1] != b"." and not set(name) & {0, 47}))
def test_any_name_goes_there_and_back(name: bytes) -> None:
    link = link_to(name)
    assert local_name("/" + link) == name
    assert ":" not in link and "/" not in link  # neither a scheme nor a host
    assert unquote_to_bytes(link_to(name, True)) == name + b"/"


def test_names_for_people() -> None:
    assert shown("ünï.txt".encode()) == "ünï.txt"
    lost = "\N{REPLACEMENT CHARACTER}"
    assert shown(b"a\xff\n\x00\x9fb\x1b") == f"a{lost * 4}b{lost}"
