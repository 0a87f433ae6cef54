"""Names, URLs and e-mail addresses in settings."""

from __future__ import annotations

import pytest

from webpy.settings.names import email, host_names, https_url
from webpy.settings.types import InvalidValue


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("example.org", ("example.org",)),
        ("Example.ORG.", ("example.org",)),
        ("a.org, b.org", ("a.org", "b.org")),
        (["a.org", "b.org", "a.org"], ("a.org", "b.org")),
        (("xn--mnchen-3ya.de",), ("xn--mnchen-3ya.de",)),
        ("localhost", ("localhost",)),
        ([], ()),
        ("", ()),
    ],
)
def test_names(given: object, names: tuple[str, ...]) -> None:
    assert host_names().read(given) == names


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("*.example.org", "DNS-01"),
        ("münchen.de", "xn--"),
        ("127.0.0.1", "is an address"),
        ("[::1]", "is an address"),
        ("https://example.org", "is none"),
        ("example.org:443", "is none"),
        ("exam_ple.org", "is none"),
        ("-a.org", "is none"),
        ("a..org", "is none"),
        ("a" * 64, "is none"),
        (".".join(["a" * 60] * 5), "is none"),
        (",".join(f"a{number}.org" for number in range(101)), "at most 100"),
    ],
)
def test_what_is_no_name(given: str, said: str) -> None:
    with pytest.raises(InvalidValue, match=said):
        host_names().read(given)


@pytest.mark.parametrize("given", [1, True, None, [1], {"a": 1}])
def test_names_are_strings(given: object) -> None:
    with pytest.raises(InvalidValue):
        host_names().read(given)


def test_urls_and_addresses() -> None:
    assert https_url().read("https://ca.example:14000/dir") == "https://ca.example:14000/dir"
    assert email().read("me@example.org") == "me@example.org"
    assert email().read("") is None


@pytest.mark.parametrize("given", ["http://ca.example/dir", "ca.example", "https://", "https:///d", "https://a b/", 3])
def test_what_is_no_https_url(given: object) -> None:
    with pytest.raises(InvalidValue):
        https_url().read(given)


@pytest.mark.parametrize("given", ["me", "@", "a@b@c", "a@b,c@d", "a b@c", 3])
def test_what_is_no_email_address(given: object) -> None:
    with pytest.raises(InvalidValue):
        email().read(given)
