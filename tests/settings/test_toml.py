"""Settings printed as TOML are read back the same."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.settings.sources import patient, toml
from webpy.settings import NOT_IN_THIS_VERSION, OPTIONS, Resolved, Settings, resolve, to_toml


class TestListing:
    def listed(self, resolved: Resolved) -> dict[str, Any]:
        return tomllib.loads(to_toml(resolved))

    def test_it_reads_back_the_same(self, tmp_path: Path) -> None:
        file = toml(tmp_path, "keepalive = 2.5\nmax_body = '3M'\n")
        given = {"bind": ("a:1", "unix:/tmp/s"), "umask": "7", "access_format": '%(h)s "%(r)s" \\', "workers": "2"}
        resolved = resolve(given, {"WEBPY_THREADS": "3"}, file, base=tmp_path)
        again = resolve({}, {}, toml(tmp_path, to_toml(resolved)), base=tmp_path)
        assert again.settings == resolved.settings
        assert "keepalive = 2.5" in to_toml(resolved) and "# webpy.toml:1\n" in to_toml(resolved)
        assert "# WEBPY_THREADS\n" in to_toml(resolved) and "# command line\n" in to_toml(resolved)

    def test_the_defaults_read_back_the_same(self, tmp_path: Path) -> None:
        text = to_toml(resolve())
        assert resolve({}, {}, toml(tmp_path, text)).settings == Settings()
        assert set(self.listed(resolve())) <= set(OPTIONS) - NOT_IN_THIS_VERSION
        for name in OPTIONS:  # nothing is left out, be it as a comment
            assert any(line.removeprefix("# ").startswith(f"{name} =") for line in text.splitlines()), name

    def test_secrets_are_masked(self) -> None:
        resolved = resolve()
        told = dataclasses.replace(resolved, settings=dataclasses.replace(resolved.settings, admin_token="hush"))
        assert "hush" not in to_toml(told) and "admin_token" not in self.listed(told)

    def test_paths_read_back_the_same(self, tmp_path: Path) -> None:
        files = [tmp_path / name for name in ("a.pem", "b,c.pem")]
        for file in files:
            file.write_text("-----BEGIN PRIVATE KEY-----")
        for paths in (["a.pem"], ["b,c.pem"], ["a.pem", "b,c.pem"]):
            resolved = resolve({"certfile": paths}, base=tmp_path)
            again = resolve({}, {}, toml(tmp_path, to_toml(resolved)), base=tmp_path).settings
            assert [path for path, _ in again.certificate_files()] == paths

    @patient
    @given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\0")))
    def test_any_string_reads_back_the_same(self, text: str) -> None:
        resolved = resolve()
        told = dataclasses.replace(
            resolved, settings=dataclasses.replace(resolved.settings, access_log=text or "-", access_format=text)
        )
        assert self.listed(told)["access_format"] == text
