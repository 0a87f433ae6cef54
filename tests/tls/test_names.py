"""Which item a name leads to: exact names, wildcards of one label, the default."""

from __future__ import annotations

import pytest

from webpy.tls.names import ServerNames


@pytest.fixture(scope="module")
def names() -> ServerNames[str]:
    found = ServerNames("default")
    found.add(["example.org", "www.example.org"], "one")
    found.add(["*.example.org", "example.org", "*", "*.*.example.net", "w*.example.com"], "two")
    found.add(["*.example.org", "münchen.example", "10.0.0.1"], "three")
    return found


@pytest.mark.parametrize(
    ("name", "item"),
    [
        ("example.org", "one"),  # what was added first counts
        ("www.example.org", "one"),
        ("WWW.EXAMPLE.ORG", "one"),
        ("www.example.org.", "one"),
        ("shop.example.org", "two"),
        ("xn--bcher-kva.example.org", "two"),
        ("a.b.example.org", "default"),  # a wildcard stands for one label
        (".example.org", "default"),
        ("example.com", "default"),
        ("www.example.com", "default"),  # part of a label is no wildcard
        ("a.b.example.net", "default"),
        ("localhost", "default"),
        ("10.0.0.1", "three"),
        ("", "default"),
        (None, "default"),
    ],
)
def test_names(names: ServerNames[str], name: str | None, item: str) -> None:
    assert names.find(name) == item
