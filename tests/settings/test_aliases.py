"""Names of other servers and platforms."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settings.sources import problems, toml
from webpy.settings import resolve


class TestPlatform:
    """PORT and WEB_CONCURRENCY are what a platform wishes: every word of the user's own counts more."""

    def test_they_count_less_than_all_others(self, tmp_path: Path) -> None:
        platform = {"PORT": "5000", "WEB_CONCURRENCY": "3"}
        found = resolve({}, platform)
        assert (found.settings.bind, found.settings.workers) == (("0.0.0.0:5000",), 3)
        assert (found.sources["bind"], found.sources["workers"]) == ("PORT", "WEB_CONCURRENCY")
        file = toml(tmp_path, "workers = 4")
        for found in (
            resolve({"workers": 4}, platform),
            resolve({}, {**platform, "WEBPY_WORKERS": "4"}),
            resolve({}, platform, file),
            resolve(keywords={"workers": 4}, environ=platform),
        ):
            assert found.settings.workers == 4

    def test_mistakes_name_the_variable_unless_overruled(self) -> None:
        assert problems({}, {"PORT": "tcp://10.0.0.1:80", "WEB_CONCURRENCY": "many"}) == (
            "PORT: got 'tcp://10.0.0.1:80', wanted a port, HOST:PORT, [IPV6]:PORT, unix:PATH or fd:N,"
            " and http:// or https:// before it if need be",
            "WEB_CONCURRENCY: got 'many', wanted a whole number of 1 or more, or auto",
        )
        assert resolve({"bind": "a:1", "workers": "1"}, {"PORT": "x", "WEB_CONCURRENCY": "x"}).settings.workers == 1


class TestHints:
    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("port = 80", 'write bind = "127.0.0.1:80"'),
            ("host = 'a'", 'write bind = "a:8000"'),
            ("host = '::1'", 'write bind = "[::1]:8000"'),
            ("listen = 'a:1'", 'write bind = "a:1"'),
            ("port = [1]", 'write bind = "HOST:PORT"'),
            ("loglevel = 'info'", "write log_level"),
        ],
    )
    def test_names_of_other_servers_say_what_to_write(self, tmp_path: Path, line: str, words: str) -> None:
        name = line.partition(" ")[0]
        assert problems({}, {}, toml(tmp_path, line), base=tmp_path) == (
            f"webpy.toml:1: {name}: no setting of this name, {words}",
        )
