"""Values of every type, good and bad, from every source, with the messages."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.settings.sources import from_everywhere, patient, problems, toml
from webpy.settings import OPTIONS, SettingsError, resolve

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
    ("bind", "http://:80", ("http://0.0.0.0:80",)),
    ("bind", "HTTP://localhost:0/", ("http://localhost:0",)),
    ("bind", "http://localhost", ("http://localhost:80",)),
    ("bind", "http://*", ("http://0.0.0.0:80",)),
    ("bind", "http://[::1]", ("http://[::1]:80",)),
    ("bind", "http://[::1]:8080", ("http://[::1]:8080",)),
    ("bind", "http://unix:/tmp/a.sock", ("http://unix:/tmp/a.sock",)),
    ("bind", "http://fd:3", ("http://fd:3",)),
    ("bind", "http://127.0.0.1:0,127.0.0.1:0", ("http://127.0.0.1:0", "127.0.0.1:0")),
    ("reload", "no", False),
    ("hsts", "0", 0),
    ("hsts", "31536000", 31536000),
    ("https_redirect_except", "/health|/ping/.*", "/health|/ping/.*"),
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
    ("bind", "ftp://a:80", "a port, HOST:PORT, [IPV6]:PORT, unix:PATH or fd:N, and http:// or https:// before it"),
    ("bind", "http://a:80/app", "an address without a path"),
    ("bind", "http:a", "a port, HOST:PORT, [IPV6]:PORT, unix:PATH or fd:N, and http:// or https:// before it"),
    ("bind", "http://https://a", "an address without a path"),
    ("bind", "http://8000", "http://HOST, http://HOST:PORT or http://:PORT"),
    ("bind", "https://", "https://HOST, https://HOST:PORT or https://:PORT"),
    ("bind", "http://a:65536", "a port of 0 to 65535"),
    ("bind", "http://[a]", "an IPv6 address between the brackets"),
    ("bind", "http://a:1,a:1", "each address once (a:1 is there 2 times)"),
    ("admin", "http://127.0.0.1:1", "a port, HOST:PORT, [IPV6]:PORT, unix:PATH or fd:N or off"),
    ("bind", "[a]:80", "an IPv6 address between the brackets"),
    ("bind", "a:65536", "a port of 0 to 65535"),
    ("bind", "a:http", "a port, HOST:PORT, [IPV6]:PORT, unix:PATH or fd:N"),
    ("bind", "unix:", "unix:PATH with a path"),
    ("bind", "unix:/" + "a" * 107, "a path of at most 107 bytes"),
    ("bind", "fd:x", "fd:N with the number of an open descriptor"),
    ("bind", "a:1,,b:1", "a port, HOST:PORT, [IPV6]:PORT, unix:PATH or fd:N"),
    ("bind", "a:1,a:1", "each address once"),
    ("reload", "perhaps", "true or false"),
    ("hsts", "off", "a whole number of 0 or more"),
    ("hsts", "3000000000", "at most 2147483647"),
    ("https_redirect_except", "/(", "a regular expression; this is none: missing ), unterminated subpattern"),
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


ANYTHING = st.text(max_size=20) | st.integers() | st.floats() | st.lists(st.text(max_size=5), max_size=3)


@patient
@given(st.dictionaries(st.sampled_from(sorted(OPTIONS)), ANYTHING))
def test_any_values_give_settings_or_a_settings_error(given: dict[str, object]) -> None:
    try:
        resolve(keywords=given)
    except SettingsError as error:
        assert error.problems and all(problem for problem in error.problems)
