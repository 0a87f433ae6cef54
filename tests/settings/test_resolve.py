"""Merging the sources: precedence, the settings file, unknown names, settings of later versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settings.sources import problems, toml
from webpy.settings import NOT_IN_THIS_VERSION, OPTIONS, Settings, SettingsError, find_config, resolve


class TestPrecedence:
    def test_each_source_overrules_those_below(self, tmp_path: Path) -> None:
        file = toml(tmp_path, "# mine\nworkers = 3\n")
        variables, cli, keywords = {"WEBPY_WORKERS": "4"}, {"workers": "5"}, {"workers": 2}
        for sources, count, origin in [
            ((None, None, None, None), "auto", "default"),
            ((None, None, None, keywords), 2, "HTTPServer(...)"),
            ((None, None, file, keywords), 3, "webpy.toml:2"),
            ((None, variables, file, keywords), 4, "WEBPY_WORKERS"),
            ((cli, variables, file, keywords), 5, "command line"),
        ]:
            resolved = resolve(*sources, base=tmp_path)
            assert (resolved.settings.workers, resolved.sources["workers"]) == (count, origin)
            assert resolved.sources["threads"] == "default"

    def test_none_and_empty_variables_count_as_not_given(self) -> None:
        resolved = resolve({"workers": None}, {"WEBPY_WORKERS": ""}, keywords={"certfile": None})
        assert resolved.settings == Settings() and set(resolved.sources.values()) == {"default"}

    def test_an_empty_option_takes_a_path_of_the_file_away(self, tmp_path: Path) -> None:
        file = toml(tmp_path, "pidfile = '/tmp/x.pid'")
        assert resolve({}, {}, file).settings.pidfile == "/tmp/x.pid"
        assert resolve({"pidfile": ""}, {}, file).settings.pidfile is None

    def test_an_overruled_mistake_is_still_one(self, tmp_path: Path) -> None:
        assert len(problems({"workers": "2"}, {"WEBPY_WORKERS": "x"})) == 1

    def test_keywords_known_later_replace_defaults_only(self, tmp_path: Path) -> None:
        resolved = resolve({"threads": "4"}, {"WEBPY_NOPE": "1"}, toml(tmp_path, "workers = 2"), base=tmp_path)
        later = resolved.with_keywords({"threads": 9, "workers": 9, "keepalive": 9, "certfile": None})
        assert (later.settings.threads, later.settings.workers, later.settings.keepalive) == (4, 2, 9.0)
        assert later.sources == {
            **dict.fromkeys(OPTIONS, "default"),
            "threads": "command line", "workers": "webpy.toml:1", "keepalive": "HTTPServer(...)",
        }  # fmt: skip
        assert later.warnings == resolved.warnings and later.file == resolved.file
        with pytest.raises(SettingsError, match=r"^HTTPServer\(thread=\): no keyword .* did you mean threads\?$"):
            resolved.with_keywords({"thread": 1})


class TestFile:
    def test_unknown_keys_name_the_nearest(self, tmp_path: Path) -> None:
        file = toml(tmp_path, "worker = 2\nmax-body = '1M'\nzzz = 1\n\n[server]\nthreads = 3\n")
        assert problems({}, {}, file, base=tmp_path) == (
            "webpy.toml:1: worker: no setting of this name, did you mean workers?",
            "webpy.toml:2: max-body: no setting of this name, did you mean max_body?",
            "webpy.toml:3: zzz: no setting of this name",
            "webpy.toml:5: server: no setting of this name, "
            "got a table, but settings stand at the top level: write the keys of [server] without it",
        )

    def test_all_mistakes_at_once(self, tmp_path: Path) -> None:
        file = toml(tmp_path, "workers = 0\nthreads = 'x'\nchdir = '/nowhere/at/all'\n")
        found = problems({"backlog": "no"}, {"WEBPY_UMASK": "9"}, file, base=tmp_path)
        assert [problem.split(": got")[0] for problem in found] == [
            "webpy.toml:1: workers", "webpy.toml:2: threads", "WEBPY_UMASK", "--backlog", "webpy.toml:3: chdir",
        ]  # fmt: skip

    def test_a_line_that_cannot_be_told_is_left_out(self, tmp_path: Path) -> None:
        file = toml(tmp_path, 'access_format = """%(h)s\nworkers = 1\n"""\nworkers = 0\n')
        found = problems({}, {}, file, base=tmp_path)
        assert "webpy.toml: workers: got 0, wanted a whole number of 1 or more, or auto" in found

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (b"workers = ", "not TOML: "),
            (b"a = 1\na = 2", "not TOML: "),
            (b"\xff", "not UTF-8: "),
            (None, "cannot be read"),
        ],
    )
    def test_unreadable(self, data: bytes | None, words: str, tmp_path: Path) -> None:
        file = tmp_path / "webpy.toml"
        file.mkdir() if data is None else file.write_bytes(data)
        (problem,) = problems({}, {}, file, base=tmp_path)
        assert problem.startswith("webpy.toml: " + words)

    def test_config_is_no_key(self, tmp_path: Path) -> None:
        (problem,) = problems({}, {}, toml(tmp_path, "config = 'x'"), base=tmp_path)
        assert problem == "webpy.toml:1: config: only --config and WEBPY_CONFIG name the settings file"

    def test_a_project_file_counts_where_there_is_no_other(self, tmp_path: Path) -> None:
        project = tmp_path / "pyproject.toml"
        project.write_text("[project]\nworkers = 'x'\n")
        assert find_config(None, {}, tmp_path) is None
        ours = "[tool.webpy]\nworkers = 3\nzzz = 1\n"
        project.write_text(f"[project]\nworkers = 'x'\n\n{ours}[tool.other]\nbacklog = 1\n")
        assert find_config(None, {}, tmp_path) == project
        assert problems({}, {}, project, base=tmp_path) == ("pyproject.toml:6: zzz: no setting of this name",)
        project.write_text("[tool.webpy]\nworkers = 3\n")
        found = resolve({}, {}, project, base=tmp_path)
        assert (found.settings.workers, found.sources["workers"]) == (3, "pyproject.toml:2")
        assert find_config(None, {}, tmp_path) != toml(tmp_path, "") == find_config(None, {}, tmp_path)
        project.write_text("[tool.webpy\n")
        assert find_config(None, {}, tmp_path) == tmp_path / "webpy.toml"
        (tmp_path / "webpy.toml").unlink()
        assert find_config(None, {}, tmp_path) is None

    def test_find_config(self, tmp_path: Path) -> None:
        assert find_config(None, {}, tmp_path) is None
        file = toml(tmp_path, "")
        other = tmp_path / "other.toml"
        other.touch()
        assert find_config(None, {}, tmp_path) == file
        assert find_config(None, {"WEBPY_CONFIG": "other.toml"}, tmp_path) == other
        assert find_config(str(file), {"WEBPY_CONFIG": "other.toml"}, Path("/")) == file
        with pytest.raises(SettingsError, match=r"^--config: got 'gone\.toml', no such file$"):
            find_config("gone.toml", {}, tmp_path)
        with pytest.raises(SettingsError, match=r"^WEBPY_CONFIG: got '\.', is a folder$"):
            find_config(None, {"WEBPY_CONFIG": "."}, tmp_path)


class TestNames:
    def test_unknown_keyword_and_option(self) -> None:
        assert problems(keywords={"timeout": 3, "thread": 1})[1] == (
            "HTTPServer(thread=): no keyword of this name, did you mean threads?"
        )
        assert problems({"max_bodies": "1"}) == ("--max-bodies: no option of this name, did you mean --max-body?",)

    def test_unknown_variables_are_warnings(self) -> None:
        names = "WEBPY_AUTH", "WEBPY_CACHE", "WEBPY_CONFIG", "WEBPY_SESSION", "WEBPY_STORE", "OTHER"
        known = dict.fromkeys(names, "x")
        resolved = resolve({}, {"WEBPY_WORKRS": "2", "WEBPY_ZZZ": "", **known})
        assert resolved.warnings == (
            "WEBPY_WORKRS: no setting of this name, did you mean WEBPY_WORKERS?",
            "WEBPY_ZZZ: no setting of this name",
        )


# A value for each setting that may not be in this version.
VALUES = {
    "admin": "127.0.0.1:9000", "admin_token": "hush", "control": "/tmp/c.sock", "forwarded_allow_ips": "10.0.0.1",
    "max_lifetime": "5", "max_memory": "1G", "max_requests": "10", "max_requests_jitter": "5",
    "proxy_protocol": "on", "reload": "true", "request_timeout": "60", "slow_request": "1",
}  # fmt: skip


class TestNotInThisVersion:
    def test_a_value_is_refused_and_off_is_not(self) -> None:
        assert set(VALUES) >= NOT_IN_THIS_VERSION
        for name, value in VALUES.items():
            option = OPTIONS[name]
            assert option.ready is (name not in NOT_IN_THIS_VERSION)
            if not option.ready:
                (problem,) = problems({}, {option.variable: value})
                assert problem.startswith(f"{option.variable}: got ")
                assert problem.endswith(", but this is not in this version of webpy")
            for harmless in (option.default, option.off):
                resolve(keywords={name: harmless})

    def test_a_secret_is_not_told(self) -> None:
        assert "hush" not in str(SettingsError(problems({"admin_token": "hush\n"})))
