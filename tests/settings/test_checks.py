"""Checks of settings against each other and the machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.settings.sources import problems
from webpy.settings import SettingsError, resolve

PEM = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"


class TestChecks:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "cert.pem").write_text(PEM)
        (tmp_path / "key.pem").write_text(KEY)
        (tmp_path / "both.pem").write_text(KEY + PEM)
        return tmp_path

    @pytest.mark.parametrize(
        "given",
        [
            {"certfile": "cert.pem", "keyfile": "key.pem"},
            {"certfile": "both.pem"},
            {"certfile": ["both.pem", "cert.pem"], "keyfile": ["both.pem", "key.pem"]},
            {"certfile": "both.pem,both.pem", "cert_watch": "on", "tls_profile": "modern"},
            {"certfile": "both.pem", "client_ca": "cert.pem", "client_cert": "required"},
            {"access_log": "a.log", "error_log": "e.log", "pidfile": "p.pid", "bind": "unix:s.sock"},
        ],
    )
    def test_good(self, given: dict[str, object], folder: Path) -> None:
        assert not resolve(given, base=folder).warnings

    @pytest.mark.parametrize(
        ("given", "wanted"),
        [
            ({"certfile": "cert.pem"}, "--certfile: 'cert.pem' holds no private key, wanted keyfile too"),
            ({"keyfile": "key.pem"}, "--keyfile: given without certfile, wanted both"),
            ({"certfile": ["cert.pem", "both.pem"], "keyfile": "key.pem"},
             "--keyfile: got 1 for 2 certfiles, wanted one for each, in their order, or none if each certfile holds its"
             " key"),
            ({"certfile": "cert.pem", "keyfile": ["key.pem", "key.pem"]},
             "--keyfile: got 2 for 1 certfile, wanted one for each, in their order, or none if each certfile holds its"
             " key"),
            ({"certfile": ["both.pem", "cert.pem"]}, "--certfile: 'cert.pem' holds no private key, wanted keyfile too"),
            ({"certfile": "both.pem,no.pem", "client_ca": "cert.pem", "client_cert": "required"},
             "--certfile: got 'no.pem', wanted a file that can be read: No such file or directory"),
            ({"certfile": "both.pem", "client_crl": "cert.pem"}, "--client-crl: given without client-ca, wanted both"),
            (
                {"certfile": "no.pem", "keyfile": "key.pem"},
                "--certfile: got 'no.pem', wanted a file that can be read: No such file or directory",
            ),
            ({"certfile": "both.pem", "client_cert": "optional"},
             "--client-cert: got 'optional' without client-ca, wanted both"),
            ({"access_log": "no/a.log"}, "--access-log: got 'no/a.log', wanted a path in a folder that exists"),
            ({"error_log": "."}, "--error-log: got '.', wanted a file, but it is a folder"),
            ({"pidfile": "no/p"}, "--pidfile: got 'no/p', wanted a path in a folder that exists"),
            ({"bind": "http://unix:no/s"}, "--bind: got 'http://unix:no/s', wanted a path in a folder that exists"),
            ({"bind": "http://a:80,https://a"},
             "--bind: got 'https://a:443' without a certificate, wanted certfile or acme too"),
            ({"https_redirect": "on"},
             "--https-redirect: nothing to redirect to, wanted https:// in bind or forwarded-allow-ips"),
            ({"https_redirect": "on", "bind": "http://a", "certfile": "both.pem"},
             "--https-redirect: nothing to redirect to, wanted https:// in bind or forwarded-allow-ips"),
            ({"bind": "unix:no/s"}, "--bind: got 'unix:no/s', wanted a path in a folder that exists"),
            ({"user": "nobody-here"},
             "--user: got 'nobody-here', wanted the name or number of a user of this system"),
            ({"group": "nobody-here"},
             "--group: got 'nobody-here', wanted the name or number of a group of this system"),
        ],
    )  # fmt: skip
    def test_bad(self, given: dict[str, object], wanted: str, folder: Path) -> None:
        assert problems(given, base=folder) == (wanted,)

    def test_own_ids_are_good(self) -> None:
        resolve({"user": str(os.geteuid()), "group": str(os.getegid())})

    def test_no_follow_up_of_a_value_already_refused(self, folder: Path) -> None:
        assert len(problems({"certfile": "cert.pem", "keyfile": "\0"}, base=folder)) == 1

    def test_relative_paths_are_taken_from_chdir(self, folder: Path) -> None:
        parent, name = folder.parent, folder.name
        resolved = resolve({"chdir": name, "certfile": "both.pem"}, base=parent)
        assert resolved.settings.chdir == str(folder)
        with pytest.raises(SettingsError):
            resolve({"certfile": "both.pem"}, base=parent)

    def test_a_certificate_that_nobody_is_shown_is_a_warning(self, folder: Path) -> None:
        without = ("--certfile: has no effect without https:// in bind",)
        for bind, warnings in (("http://a", without), ("http://a,b:1", ())):
            assert resolve({"certfile": "both.pem", "bind": bind}, base=folder).warnings == warnings

    @pytest.mark.parametrize(
        ("given", "warning"),
        [
            ({"https_redirect": "on", "bind": "a:1"}, "--https-redirect: has no effect without http:// in bind"),
            ({"https_redirect": "on", "bind": "a:1,http://b"}, None),
            ({"https_redirect": "on", "bind": "a:1", "forwarded_allow_ips": "*"}, None),
            ({"https_redirect_except": "/a"}, "--https-redirect-except: has no effect without https-redirect"),
            ({"hsts": "60", "bind": "a:1"}, None),
        ],
    )
    def test_redirects_and_hsts(self, given: dict[str, str], warning: str | None, folder: Path) -> None:
        found = resolve({"certfile": "both.pem", **given}, base=folder).warnings
        assert found == (() if warning is None else (warning,))

    def test_hsts_without_https(self) -> None:
        warning = "--hsts: has no effect without https:// in bind or forwarded-allow-ips"
        assert resolve({"hsts": "60"}).warnings == (warning,)
        assert resolve({"hsts": "60", "forwarded_allow_ips": "10.0.0.1"}).warnings == ()

    def test_client_ca_without_asking_is_a_warning(self, folder: Path) -> None:
        resolved = resolve({"certfile": "both.pem", "client_ca": "cert.pem"}, base=folder)
        assert resolved.warnings == ("--client-ca: has no effect while client-cert is none",)

    def test_watching_without_certificates_is_a_warning(self, folder: Path) -> None:
        assert resolve({"cert_watch": "on"}).warnings == ("--cert-watch: has no effect without certfile",)

    def test_certificates_and_their_keys(self, folder: Path) -> None:
        one = resolve({"certfile": "both.pem"}, base=folder).settings
        assert one.certfile == "both.pem" and one.certificate_files() == [("both.pem", None)]
        two = resolve({"certfile": ["cert.pem", "both.pem"], "keyfile": "key.pem,both.pem"}, base=folder).settings
        assert two.certificate_files() == [("cert.pem", "key.pem"), ("both.pem", "both.pem")]
        assert resolve().settings.certificate_files() == []

    def test_templates_are_compiled(self) -> None:
        (problem,) = problems({"access_format": "%(h)s %(nope)s"})
        assert problem.startswith("--access-format: ") and "nope" in problem
