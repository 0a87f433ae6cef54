"""What is wrong, or without effect, in the settings of certificates from an ACME directory."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.settings.sources import problems
from webpy.acme import sidecar
from webpy.settings import SettingsError, resolve

BOTH = ["http://:80", "https://:443"]
NO_LISTENER = "--acme: got no listener of {}, wanted {}:// in bind, {}: --bind http://:80 --bind https://:443"
ASKS, USED = "where the directory asks for the proof", "where the certificate is used"


def test_good() -> None:
    resolved = resolve({"acme": ["example.org", "www.example.org"], "bind": BOTH, "acme_email": "me@example.org"}, {})
    assert not resolved.warnings
    assert resolved.settings.has_certificate
    assert resolved.settings.acme_directory == "https://acme-v02.api.letsencrypt.org/directory"


def test_a_listener_without_scheme_is_of_https() -> None:
    assert resolve({"acme": "example.org", "bind": ["http://:80", ":443"]}, {}).settings.schemes() == ["http", "https"]


@pytest.mark.parametrize(
    ("bind", "wanted"),
    [
        (None, NO_LISTENER.format("http (127.0.0.1:8000)", "http", ASKS)),
        ("https://:443", NO_LISTENER.format("http (https://0.0.0.0:443)", "http", ASKS)),
        ("http://:80", NO_LISTENER.format("https (http://0.0.0.0:80)", "https", USED)),
    ],
)
def test_both_kinds_of_listeners_are_wanted(bind: str | None, wanted: str) -> None:
    given = {"acme": "example.org", **({} if bind is None else {"bind": bind})}
    assert problems(given) == (wanted,)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"acme": "*.example.org"},
         "--acme: got '*.example.org', wanted names without '*': a wildcard such as '*.example.org' needs the challenge"
         " DNS-01, which webpy cannot answer"),
        ({"acme": "192.0.2.1"},
         "--acme: got '192.0.2.1', wanted the name of a host, such as example.org: '192.0.2.1' is an address"),
        ({"acme_directory": "ca.example"},
         "--acme-directory: got 'ca.example', wanted a URL that begins with https://"),
        ({"acme_email": "me"}, "--acme-email: got 'me', wanted an e-mail address"),
        ({"acme_ca": "no.pem"},
         "--acme-ca: got 'no.pem', wanted a file that can be read: No such file or directory"),
    ],
)  # fmt: skip
def test_bad(given: dict[str, object], wanted: str) -> None:
    assert problems({"acme": "example.org", "bind": BOTH, **given}) == (wanted,)


def test_what_is_of_no_effect(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("")
    given = {"acme_email": "me@example.org", "acme_ca": "ca.pem", "acme_directory": "https://ca.example/dir"}
    assert resolve(given, {}, base=tmp_path).warnings == tuple(
        f"--{name}: has no effect without acme" for name in ("acme-email", "acme-directory", "acme-ca")
    )


def test_client_certificates_need_no_certfile(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("")
    given = {"acme": "example.org", "bind": BOTH, "client_ca": "ca.pem", "client_cert": "optional"}
    assert not resolve(given, {}, base=tmp_path).warnings


@pytest.mark.parametrize("missing", ["acme", "josepy", "cryptography"])
def test_a_missing_library_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SettingsError) as caught:
        sidecar(resolve({"acme": "example.org", "bind": BOTH}, {}))
    assert caught.value.problems == (f"--acme: {missing} is not installed: pip install 'webpy[acme]'",)
