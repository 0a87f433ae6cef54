"""Settings: every kind of value from every source, precedence, messages, checks, and the listing read back."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from webpy.settings import (
    NOT_IN_THIS_VERSION,
    OPTIONS,
    Resolved,
    Settings,
    SettingsError,
    effective_cpus,
    find_config,
    resolve,
    to_toml,
)
from webpy.settings.toml import shown_default

# The machine is shared: how long an example takes says nothing.
patient = hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

PEM = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"


def problems(*sources: Any, **more: Any) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        resolve(*sources, **more)
    return caught.value.problems


def toml(folder: Path, text: str) -> Path:
    path = folder / "webpy.toml"
    path.write_text(text, encoding="utf-8")
    return path


def from_everywhere(name: str, value: str, folder: Path) -> list[Any]:
    """The value read from each of the sources that carry strings."""
    file = toml(folder, f'{name} = "{value}"\n')
    variable = {OPTIONS[name].variable: value}
    found = [resolve({name: value}), resolve({}, variable), resolve({}, {}, file), resolve(keywords={name: value})]
    return [getattr(resolved.settings, name) for resolved in found]


class TestTable:
    """The names and defaults of INTERFACE.md."""

    def test_defaults(self) -> None:
        assert resolve().settings == Settings()
        assert dataclasses.asdict(Settings()) == {
            "bind": ("127.0.0.1:8000",),
            "workers": "auto",
            "threads": 32,
            "backlog": 2048,
            "keepalive": 75,
            "header_timeout": 10,
            "body_timeout": 30,
            "write_timeout": 60,
            "request_timeout": 120,
            "slow_request": 5,
            "max_line": 8192,
            "max_headers": 32768,
            "max_fields": 100,
            "max_body": 1 << 20,
            "max_connections": "auto",
            "max_connections_per_client": 0,
            "min_body_rate": 240,
            "boot_timeout": 60,
            "drain_timeout": 30,
            "shutdown_delay": 0,
            "max_requests": 0,
            "max_requests_jitter": 0,
            "max_lifetime": 0,
            "max_memory": 0,
            "certfile": None,
            "keyfile": None,
            "client_ca": None,
            "client_cert": "none",
            "access_log": "-",
            "access_format": "combined",
            "log_full": "drop",
            "error_log": "-",
            "error_format": "text",
            "log_level": "info",
            "admin": "off",
            "admin_token": None,
            "control": None,
            "forwarded_allow_ips": (),
            "proxy_protocol": False,
            "user": None,
            "group": None,
            "umask": None,
            "chdir": None,
            "pidfile": None,
            "reload": False,
        }

    def test_frozen_and_slotted(self) -> None:
        with pytest.raises(dataclasses.FrozenInstanceError):
            Settings().workers = 2  # type: ignore[misc]
        assert not hasattr(Settings(), "__dict__")

    @pytest.mark.parametrize("name", OPTIONS)
    def test_every_option_is_described(self, name: str) -> None:
        option = OPTIONS[name]
        assert option.help.endswith(".") and option.group and option.type.wanted
        assert option.flag == "--" + name.replace("_", "-")
        assert option.variable == "WEBPY_" + name.upper()

    @pytest.mark.parametrize("name", [name for name, option in OPTIONS.items() if shown_default(option)])
    def test_the_default_shown_reads_as_the_default(self, name: str) -> None:
        option = OPTIONS[name]
        assert option.type.read(shown_default(option)) == option.default

    def test_worker_count(self) -> None:
        assert Settings(workers=3).worker_count() == 3
        assert Settings().worker_count() == effective_cpus()


GOOD = [
    ("workers", "3", 3),
    ("workers", "auto", "auto"),
    ("workers", "AUTO", "auto"),
    ("threads", "1", 1),
    ("keepalive", "0", 0.0),
    ("keepalive", "2.5", 2.5),
    ("header_timeout", ".5", 0.5),
    ("max_body", "4096", 4096),
    ("max_body", "64K", 64 << 10),
    ("max_body", "2m", 2 << 20),
    ("max_body", "1G", 1 << 30),
    ("client_cert", "None", "none"),
    ("log_level", "DEBUG", "debug"),
    ("access_log", "off", "off"),
    ("access_format", "json", "json"),
    ("access_format", "%(h)s %(r)s %(s)s", "%(h)s %(r)s %(s)s"),
    ("umask", "022", 0o22),
    ("umask", "0o077", 0o77),
    ("bind", "localhost:0", ("localhost:0",)),
    ("bind", ":8000", ("0.0.0.0:8000",)),
    ("bind", "*:8000", ("0.0.0.0:8000",)),
    ("bind", "[::1]:80", ("[::1]:80",)),
    ("bind", "unix:/tmp/a.sock", ("unix:/tmp/a.sock",)),
    ("bind", "fd:3", ("fd:3",)),
    ("bind", "8000", ("127.0.0.1:8000",)),
    ("bind", "127.0.0.1:1, [::]:2,unix:/tmp/s", ("127.0.0.1:1", "[::]:2", "unix:/tmp/s")),
    ("bind", "127.0.0.1:0,127.0.0.1:0", ("127.0.0.1:0", "127.0.0.1:0")),
    ("reload", "no", False),
    ("control", "off", "off"),
    ("request_timeout", "0", 0.0),
    ("slow_request", "5", 5.0),
]


@pytest.mark.parametrize(("name", "value", "wanted"), GOOD)
def test_good_values_from_every_source(name: str, value: str, wanted: object, tmp_path: Path) -> None:
    assert from_everywhere(name, value, tmp_path) == [wanted] * 4


BAD = [
    ("workers", "many", "a whole number of 1 or more, or auto"),
    ("workers", "0", "a whole number of 1 or more, or auto"),
    ("workers", "-1", "a whole number of 1 or more, or auto"),
    ("workers", "1.5", "a whole number of 1 or more, or auto"),
    ("workers", "٣", "a whole number of 1 or more, or auto"),
    ("workers", "9" * 5000, "a whole number of 1 or more, or auto"),
    ("workers", "1025", "at most 1024"),
    ("threads", "auto", "a whole number of 1 or more"),
    ("threads", "1_0", "a whole number of 1 or more"),
    ("keepalive", "-1", "seconds, 0 or more"),
    ("keepalive", "nan", "seconds, 0 or more"),
    ("keepalive", "inf", "seconds, 0 or more"),
    ("keepalive", "1e3", "seconds, 0 or more"),
    ("keepalive", "5s", "seconds, 0 or more"),
    ("header_timeout", "0", "seconds, more than 0"),
    ("max_body", "1T", "bytes, 1 or more, such as 4096, 64K, 1M or 2G"),
    ("max_body", "0", "bytes, 1 or more, such as 4096, 64K, 1M or 2G"),
    ("max_body", "1.5M", "bytes, 1 or more, such as 4096, 64K, 1M or 2G"),
    ("max_body", "K", "bytes, 1 or more, such as 4096, 64K, 1M or 2G"),
    ("client_cert", "maybe", "one of none, optional, required"),
    ("log_level", "loud", "one of debug, info, warning, error, critical"),
    ("access_format", "combind", "one of common, combined, json, or a template such as"),
    ("umask", "0888", "an octal mask of 000 to 777, such as 022"),
    ("umask", "1777", "an octal mask of 000 to 777, such as 022"),
    ("bind", "localhost", "a port, HOST:PORT, [IPV6]:PORT, unix:PATH or fd:N"),
    ("bind", "80000", "a port of 0 to 65535"),
    ("bind", "::1:80", "a port, HOST:PORT, [IPV6]:PORT, unix:PATH or fd:N"),
    ("bind", "http://a:80", "a port, HOST:PORT, [IPV6]:PORT, unix:PATH or fd:N"),
    ("bind", "[a]:80", "an IPv6 address between the brackets"),
    ("bind", "a:65536", "a port of 0 to 65535"),
    ("bind", "a:http", "a port, HOST:PORT, [IPV6]:PORT, unix:PATH or fd:N"),
    ("bind", "unix:", "unix:PATH with a path"),
    ("bind", "unix:/" + "a" * 107, "a path of at most 107 bytes"),
    ("bind", "fd:x", "fd:N with the number of an open descriptor"),
    ("bind", "a:1,,b:1", "a port, HOST:PORT, [IPV6]:PORT, unix:PATH or fd:N"),
    ("bind", "a:1,a:1", "each address once"),
    ("reload", "perhaps", "true or false"),
    ("forwarded_allow_ips", "10.0.0.0/33", "addresses or networks such as 10.0.0.0/8, separated by commas"),
    ("admin", "everywhere", "a port, HOST:PORT, [IPV6]:PORT, unix:PATH or fd:N or off"),
]


@pytest.mark.parametrize(("name", "value", "wanted"), BAD)
def test_bad_values_name_source_value_and_what_was_wanted(name: str, value: str, wanted: str, tmp_path: Path) -> None:
    flag, variable = OPTIONS[name].flag, OPTIONS[name].variable
    file = toml(tmp_path, f'\n{name} = "{value}"\n')
    for label, (problem,) in {
        flag: problems({name: value}),
        variable: problems({}, {variable: value}),
        f"webpy.toml:2: {name}": problems({}, {}, file, base=tmp_path),
        f"HTTPServer({name}=)": problems(keywords={name: value}),
    }.items():
        assert problem.startswith(f"{label}: got {value!r}, wanted {wanted}")


def test_the_message_word_for_word() -> None:
    assert problems({"workers": "many"}) == ("--workers: got 'many', wanted a whole number of 1 or more, or auto",)


class TestTypedValues:
    """What TOML and Python keywords can hold besides strings."""

    @pytest.mark.parametrize(
        ("line", "name", "wanted"),
        [
            ("workers = 2", "workers", 2),
            ("keepalive = 5", "keepalive", 5.0),
            ("keepalive = 0.25", "keepalive", 0.25),
            ("max_body = 100", "max_body", 100),
            ("umask = 0o027", "umask", 0o27),
            ("bind = ['a:1', 'b:2']", "bind", ("a:1", "b:2")),
            ("bind = 'a:1,b:2'", "bind", ("a:1", "b:2")),
            ("reload = false", "reload", False),
            ("user = 0", "user", "0"),
        ],
    )
    def test_toml(self, line: str, name: str, wanted: object, tmp_path: Path) -> None:
        assert getattr(resolve({}, {}, toml(tmp_path, line)).settings, name) == wanted

    @pytest.mark.parametrize(
        "line",
        ["workers = true", "workers = 2.0", "keepalive = inf", "keepalive = nan", "keepalive = -1", "keepalive = true",
         "max_body = 1.5", "bind = 8000", "bind = []", "bind = [1]", "reload = 1", "umask = 0o1000", "access_log = 3",
         "access_log = ''", "certfile = 3", "workers = [1]", "log_level = 10", "user = 1.5",
         "workers = 1979-05-27", "keepalive = {a = 1}"],
    )  # fmt: skip
    def test_toml_of_the_wrong_type(self, line: str, tmp_path: Path) -> None:
        (problem,) = problems({}, {}, toml(tmp_path, line), base=tmp_path)
        assert problem.startswith(f"webpy.toml:1: {line.split()[0]}: got ") and ", wanted " in problem

    @pytest.mark.parametrize(
        ("given", "wanted"),
        [
            (("localhost", 8080), ("localhost:8080",)),
            (("", 80), ("0.0.0.0:80",)),
            (("::1", 80, 0, 0), ("[::1]:80",)),
            ([("a", 1), "unix:/tmp/x", "b:2,c:3"], ("a:1", "unix:/tmp/x", "b:2", "c:3")),
        ],
    )
    def test_bind_as_python_writes_addresses(self, given: object, wanted: tuple[str, ...]) -> None:
        assert resolve(keywords={"bind": given}).settings.bind == wanted

    @pytest.mark.parametrize("given", [("a", True), ("a",), ("a", "b", 1), 5, [None], {"a": 1}, ("a", -1)])
    def test_bind_that_is_no_address(self, given: object) -> None:
        assert problems(keywords={"bind": given})[0].startswith("HTTPServer(bind=): got ")

    def test_paths(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        assert resolve(keywords={"access_log": tmp_path / "a.log"}).settings.access_log == str(tmp_path / "a.log")
        assert resolve({"access_log": "~/a.log"}).settings.access_log == str(tmp_path / "a.log")


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
            "PORT: got 'tcp://10.0.0.1:80', wanted a port, HOST:PORT, [IPV6]:PORT, unix:PATH or fd:N",
            "WEB_CONCURRENCY: got 'many', wanted a whole number of 1 or more, or auto",
        )
        assert resolve({"bind": "a:1", "workers": "1"}, {"PORT": "x", "WEB_CONCURRENCY": "x"}).settings.workers == 1


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
            {"certfile": "both.pem", "client_ca": "cert.pem", "client_cert": "required"},
            {"access_log": "a.log", "error_log": "e.log", "pidfile": "p.pid", "bind": "unix:s.sock"},
        ],
    )
    def test_good(self, given: dict[str, str], folder: Path) -> None:
        assert not resolve(given, base=folder).warnings

    @pytest.mark.parametrize(
        ("given", "wanted"),
        [
            ({"certfile": "cert.pem"}, "--certfile: 'cert.pem' holds no private key, wanted keyfile too"),
            ({"keyfile": "key.pem"}, "--keyfile: given without certfile, wanted both"),
            (
                {"certfile": "no.pem", "keyfile": "key.pem"},
                "--certfile: got 'no.pem', wanted a file that can be read: No such file or directory",
            ),
            ({"certfile": "both.pem", "client_cert": "optional"},
             "--client-cert: got 'optional' without client-ca, wanted both"),
            ({"access_log": "no/a.log"}, "--access-log: got 'no/a.log', wanted a path in a folder that exists"),
            ({"error_log": "."}, "--error-log: got '.', wanted a file, but it is a folder"),
            ({"pidfile": "no/p"}, "--pidfile: got 'no/p', wanted a path in a folder that exists"),
            ({"bind": "unix:no/s"}, "--bind: got 'unix:no/s', wanted a path in a folder that exists"),
            ({"user": "nobody-here"},
             "--user: got 'nobody-here', wanted the name or number of a user of this system"),
            ({"group": "nobody-here"},
             "--group: got 'nobody-here', wanted the name or number of a group of this system"),
        ],
    )  # fmt: skip
    def test_bad(self, given: dict[str, str], wanted: str, folder: Path) -> None:
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

    def test_client_ca_without_asking_is_a_warning(self, folder: Path) -> None:
        resolved = resolve({"certfile": "both.pem", "client_ca": "cert.pem"}, base=folder)
        assert resolved.warnings == ("--client-ca: has no effect while client-cert is none",)

    def test_templates_are_compiled(self) -> None:
        (problem,) = problems({"access_format": "%(h)s %(nope)s"})
        assert problem.startswith("--access-format: ") and "nope" in problem


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

    @patient
    @given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\0")))
    def test_any_string_reads_back_the_same(self, text: str) -> None:
        resolved = resolve()
        told = dataclasses.replace(
            resolved, settings=dataclasses.replace(resolved.settings, access_log=text or "-", access_format=text)
        )
        assert self.listed(told)["access_format"] == text


ANYTHING = st.text(max_size=20) | st.integers() | st.floats() | st.lists(st.text(max_size=5), max_size=3)


@patient
@given(st.dictionaries(st.sampled_from(sorted(OPTIONS)), ANYTHING))
def test_any_values_give_settings_or_a_settings_error(given: dict[str, object]) -> None:
    try:
        resolve(keywords=given)
    except SettingsError as error:
        assert error.problems and all(problem for problem in error.problems)


class TestEffectiveCpus:
    """Against made-up control groups. The affinity of the machine is the ceiling, so it is made large."""

    @pytest.fixture(autouse=True)
    def eight(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)

    def cpus(self, folder: Path, membership: str, files: dict[str, str]) -> int:
        (folder / "membership").write_text(membership)
        for name, text in files.items():
            path = folder / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return effective_cpus(folder / "cgroup", folder / "membership")

    @pytest.mark.parametrize(
        ("membership", "files", "wanted"),
        [
            ("", {}, 8),
            ("0::/\n", {}, 8),
            ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
            ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
            ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
            ("0::/\n", {"cpu.max": "10000 100000\n"}, 1),
            ("0::/\n", {"cpu.max": "9900000 100000\n"}, 8),
            ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "300000 100000\n"}, 3),
            ("0::/a/b\n", {"a/b/cpu.max": "100000 100000\n", "a/cpu.max": "300000 100000\n"}, 1),
            ("0::/not/in/this/namespace\n", {"cpu.max": "400000 100000\n"}, 4),
            ("0::/../..\n", {"cpu.max": "400000 100000\n"}, 4),
            ("0::/\n", {"cpu.max": "garbage\n"}, 8),
            ("0::/\n", {"cpu.max": "0 0\n"}, 8),
            ("nonsense\n:::\n", {"cpu.max": "100000 100000\n"}, 8),
            ("4:cpu,cpuacct:/d\n1:name=systemd:/\n",
             {"cpu,cpuacct/d/cpu.cfs_quota_us": "250000", "cpu,cpuacct/d/cpu.cfs_period_us": "100000"}, 3),
            ("4:cpu,cpuacct:/d\n", {"cpu/d/cpu.cfs_quota_us": "-1", "cpu/d/cpu.cfs_period_us": "100000"}, 8),
            ("4:cpu,cpuacct:/docker/x\n", {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "50000"}, 2),
        ],
    )  # fmt: skip
    def test_quota(self, membership: str, files: dict[str, str], wanted: int, tmp_path: Path) -> None:
        assert self.cpus(tmp_path, membership, files) == wanted

    def test_of_this_machine(self) -> None:
        assert 1 <= effective_cpus() <= 8
