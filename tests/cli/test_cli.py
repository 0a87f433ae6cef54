"""The command line: output and exit statuses of every command, in this process unless something is started."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
import trustme

from tests.server import ROOT, Server
from webpy.cli import main
from webpy.cli.options import Given
from webpy.settings import OPTIONS, SettingsError

HANDLER = """
import os
import webpy
loaded_by = os.getpid()
class Hello(webpy.HTTPHandler):
    def do_get(self):
        return 200, f'{loaded_by}'
"""
ROUTES = HANDLER + "routes = {'/': Hello}\n"


@dataclass(frozen=True, slots=True)
class Result:
    status: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder of its own, and none of the caller's settings."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("WEBPY_"):
            monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """The command in this process: for what loads no application."""

    def run(*arguments: str) -> Result:
        with pytest.raises(SystemExit) as caught:
            main(arguments, prog_name="webpy")
        captured = capsys.readouterr()
        code = caught.value.code
        assert isinstance(code, int)
        return Result(code, captured.out, captured.err)

    return run


def webpy(*arguments: str, **environ: str) -> Result:
    """The command in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environ}
    done = subprocess.run(
        [sys.executable, "-m", "webpy.cli", *arguments], env=environment, capture_output=True, text=True, timeout=30
    )
    assert "webpy/cli" not in done.stderr, "a traceback of our own:\n" + done.stderr
    return Result(done.returncode, done.stdout, done.stderr)


def write(name: str, text: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, encoding="utf-8")


class TestHelp:
    def test_all_commands_are_named(self, run: Callable[..., Result]) -> None:
        result = run("--help")
        assert result.status == 0 and not result.err
        for name, command in main.commands.items():
            assert name in result.out and (command.short_help or "?") in result.out

    @pytest.mark.parametrize("command", ["serve", "dev", "check", "config"])
    def test_every_setting_is_an_option_with_its_default(self, command: str, run: Callable[..., Result]) -> None:
        words = " ".join(run(command, "--help").out.split())
        for option in OPTIONS.values():
            assert (f"{option.flag} " in words) is option.ready, option.flag
        kinds = "--kind [routes|handler|server|stdlib|objects|wsgi]"
        for part in ("--config FILE", kinds, "--max-body SIZE", "[default: 1M]", "[default: 127.0.0.1:8000]"):
            assert part in words

    def test_the_options_are_the_settings(self) -> None:
        for name, command in main.commands.items():
            if isinstance(command, click.Group) or name in ("routes", "new"):
                continue  # ctl: about a server that runs; routes and new: start none
            names = {parameter.name for parameter in command.params if isinstance(parameter, click.Option)}
            kind = {"kind"} if name != "files" else set()  # which has no TARGET
            own = {"dev": {"show_locals"}, "files": {"immutable"}}.get(name, set())
            assert names == {*OPTIONS, "config", "host", "port"} | kind | own

    def test_version(self) -> None:
        result = webpy("--version")
        assert result.status == 0 and re.fullmatch(r"webpy \S.*, Python 3\.\d+\.\d+\S*\n", result.out)

    def test_it_imports_little(self) -> None:
        """What only a worker, a store or an application needs costs nothing before it is needed."""
        program = "import sys, webpy.cli\nprint(*sys.modules)"
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=30
        )
        heavy = {"ssl", "sqlite3", "http.server", "asyncio", "multiprocessing", "httptools", "psutil", "difflib",
                 "webpy.server", "webpy.serving", "webpy.worker", "webpy.supervisor", "webpy.store",
                 "webpy.dev"}  # fmt: skip
        assert not heavy & set(done.stdout.split()), done.stderr


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["serve"], "Missing argument 'TARGET'"),
            (["check"], "Missing argument 'TARGET'"),
            (["check", "a", "b"], "unexpected extra argument (b)"),
            (["serve", "x", "--wokers", "2"], "--workers"),
            (["serve", "x", "--workers"], "requires an argument"),
            (["serve", "x", "--kind", "asgi"], "'asgi' is not one of 'routes', 'handler', 'server', 'stdlib', "),
            (["sreve"], "No such command 'sreve'"),
        ],
    )
    def test_wrong(self, arguments: list[str], words: str, run: Callable[..., Result]) -> None:
        result = run(*arguments)
        assert result.status == 2 and words in result.err and not result.out

    @pytest.mark.parametrize("command", ["serve", "check", "config"])
    def test_settings(self, command: str, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WEBPY_THREADS", "0")
        write("webpy.toml", "keepaliv = 3\n")
        result = run(command, "gone.py", "--workers", "many")
        assert result.status == 2 and not result.out
        assert result.err.splitlines() == [
            "webpy: webpy.toml:1: keepaliv: no setting of this name, did you mean keepalive?",
            "webpy: WEBPY_THREADS: got '0', wanted a whole number of 1 or more",
            "webpy: --workers: got 'many', wanted a whole number of 1 or more, or auto",
        ]

    @pytest.mark.parametrize("command", ["serve", "check", "config"])
    def test_a_config_that_is_not_there(self, command: str, run: Callable[..., Result]) -> None:
        result = run(command, "x", "--config", "gone.toml")
        assert (result.status, result.err) == (2, "webpy: --config: got 'gone.toml', no such file\n")

    def test_not_in_this_version(self, run: Callable[..., Result]) -> None:
        for option in OPTIONS.values():
            if not option.ready and option.type.flag:
                result = run("config", option.flag)
                assert result.status == 2 and "not in this version" in result.err
                assert run("config", option.flag.replace("--", "--no-")).status == 0


class TestConfig:
    def test_sources(self, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
        write("webpy.toml", "\nthreads = 7\n")
        monkeypatch.setenv("WEBPY_MAX_BODY", "2m")
        monkeypatch.setenv("WEBPY_WORKRS", "2")
        result = run("config", "--bind", "127.0.0.1:0", "--bind", "unix:s", "--keepalive", "1.5")
        assert result.status == 0
        assert result.err == "webpy: warning: WEBPY_WORKRS: no setting of this name, did you mean WEBPY_WORKERS?\n"
        lines = [re.sub(" +", " ", line) for line in result.out.splitlines()]
        for line in (
            'bind = ["127.0.0.1:0", "unix:s"] # command line',
            "keepalive = 1.5 # command line",
            "threads = 7 # webpy.toml:2",
            'max_body = "2M" # WEBPY_MAX_BODY',
            "backlog = 2048 # default",
        ):
            assert line in lines

    def test_its_output_is_a_settings_file(self, run: Callable[..., Result]) -> None:
        first = run("config", "--workers", "3", "--access-format", '%(h)s "%(r)s" \\ %(D)s', "--umask", "027")
        write("webpy.toml", first.out)
        second = run("config")
        assert second.status == 0 and tomllib.loads(first.out) == tomllib.loads(second.out)
        assert tomllib.loads(second.out)["workers"] == 3

    def test_the_file_of_the_environment(self, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
        write("conf/other.toml", "threads = 5")
        monkeypatch.setenv("WEBPY_CONFIG", "conf/other.toml")
        result = run("config")
        assert "# conf/other.toml:1\n" in result.out and not result.err

    def test_the_keywords_of_a_server(self) -> None:
        write(
            "site.py", HANDLER + "server = webpy.HTTPServer(('127.0.0.1', 0), {'/': Hello}, threads=3, keepalive=9)\n"
        )
        result = webpy("config", "site.py", "--keepalive", "4")
        assert result.status == 0, result.err
        assert re.search(r"^threads = 3 +# HTTPServer\(\.\.\.\)$", result.out, re.MULTILINE)
        assert re.search(r"^keepalive = 4 +# command line$", result.out, re.MULTILINE)

    def test_a_target_that_does_not_load(self) -> None:
        result = webpy("config", "gone.py")
        assert result.status == 3 and result.err.startswith("webpy: gone.py: no such file: ")


class TestGiven:
    """What `serve` resolves again at every reload."""

    def test_the_file_and_the_environment_are_read_anew(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        arguments = {"config": None, "threads": "4", "bind": (), "workers": None, "reload": None, "target": "x"}
        given = Given.of(arguments)
        assert given.cli == {"threads": "4"}
        assert given.resolve().settings.workers == "auto"
        write("webpy.toml", "workers = 2\nthreads = 9\n")
        assert given.resolve().settings.workers == 2
        monkeypatch.setenv("WEBPY_WORKERS", "3")
        assert (given.resolve().settings.workers, given.resolve().settings.threads) == (3, 4)
        write("webpy.toml", "worker = 2\n")
        with pytest.raises(SettingsError):
            given.resolve()
        os.remove("webpy.toml")
        assert given.resolve().settings.workers == 3

    def test_it_stays_with_the_folder_it_was_started_in(self, folder: Path) -> None:
        write("webpy.toml", "chdir = 'app'\nworkers = 2\n")
        Path("app").mkdir()
        given = Given.of({"config": None})
        for _ in range(2):
            settings = given.resolve().settings
            assert settings.chdir == str(folder / "app") and settings.workers == 2
            os.chdir("/")


class TestAliases:
    """-b, -w, --host and --port are what people type who know other servers."""

    @pytest.mark.parametrize(
        ("arguments", "bind"),
        [
            (("-b", "8001"), "127.0.0.1:8001"),
            (("--port", "8001"), "127.0.0.1:8001"),
            (("--host", "::1"), "[::1]:8000"),
            (("--host", "0.0.0.0", "--port", "0"), "0.0.0.0:0"),
        ],
    )
    def test_addresses(self, arguments: tuple[str, ...], bind: str) -> None:
        for name in ("serve", "files", "check", "config"):
            assert "-w, --workers" in webpy(name, "--help").out
        result = webpy("config", "-w", "3", *arguments)
        assert re.search(rf'^bind = \["{re.escape(bind)}"\] +# command line$', result.out, re.MULTILINE)
        assert re.search(r"^workers = 3 +# command line$", result.out, re.MULTILINE)

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("--port", "http"), "--port: got 'http', wanted a port of 0 to 65535"),
            (("--port", "70000"), "--port: got '70000', wanted a port of 0 to 65535"),
            (("--host", "a:80"), "--host: got 'a:80', wanted a host name or an address, without a port"),
            (("--port", "1", "-b", "a:2"), "--port: given beside --bind, wanted either --bind or --host and --port"),
        ],
    )
    def test_mistakes(self, arguments: tuple[str, ...], words: str) -> None:
        result = webpy("config", *arguments)
        assert (result.status, result.err) == (2, f"webpy: {words}\n")


class TestCheck:
    @pytest.mark.parametrize(
        ("lines", "wanted"),
        [
            ("routes = {'/': Hello}", "ok: site.py:routes — 1 route (routes)"),
            ("routes = {'/': Hello, '/(.*)': Hello}", "ok: site.py:routes — 2 routes (routes)"),
            ("handler = Hello", "ok: site.py:handler — all paths (handler)"),
            ("def app(environ, start_response): pass", "ok: site.py:app — all paths (wsgi)"),
            ("from http.server import SimpleHTTPRequestHandler as handler", "ok: site.py:handler — all paths (stdlib)"),
            ("class Root:\n    def index(self): return ''\n    index.exposed = True\nroot = Root()",
             "ok: site.py:root — all paths (objects)"),
            ("server = webpy.HTTPServer(('127.0.0.1', 0), {'/': Hello}, threads=3)",
             "ok: site.py:server — 1 route (server)"),
        ],
    )  # fmt: skip
    def test_good(self, lines: str, wanted: str) -> None:
        write("site.py", HANDLER + lines)
        result = webpy("check", "site.py", "--workers", "2")
        assert (result.status, result.err) == (0, "")
        first, second = result.out.splitlines()
        assert first == wanted and second.startswith("ok: settings — 127.0.0.1:") and "2 workers" in second
        assert ("3 threads" in second) is ("HTTPServer" in lines)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("routes = {'/(': Hello}", "webpy: site.py:routes: route '/(': not a regular expression"),
            ("routes = {'/': 3}", "webpy: site.py:routes: route '/': got 3, wanted a subclass of webpy.HTTPHandler"),
            ("app = 3", "webpy: site.py:app: got 3 of type int, wanted one of: a dict of regex to handler, "),
            ("1 / 0", "ZeroDivisionError: division by zero"),
            ("routes = {", "SyntaxError: '{' was never closed"),
            ("import sys; sys.exit(0)", "webpy: site.py: called sys.exit(0) while it was imported"),
            ("pass", "webpy: site.py: has none of routes, app, "),
        ],
    )
    def test_an_application_that_does_not_load(self, text: str, words: str) -> None:
        write("site.py", HANDLER + text)
        result = webpy("check", "site.py")
        assert result.status == 3 and words in result.err and not result.out

    def test_bad_keywords_of_a_server(self) -> None:
        write("site.py", HANDLER + "server = webpy.HTTPServer(('127.0.0.1', 0), {'/': Hello}, thread=3)\n")
        result = webpy("check", "site.py")
        assert result.status in (2, 3) and "did you mean threads?" in result.err

    def test_chdir_comes_first(self) -> None:
        write("app/shop.py", ROUTES)
        assert webpy("check", "shop.py", "--chdir", "app").status == 0
        assert webpy("check", "shop:routes", "--chdir", "app").status == 0
        assert webpy("check", "app/shop.py", "--chdir", "app").status == 3

    def test_it_binds_nothing(self) -> None:
        write("site.py", ROUTES)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            assert webpy("check", "site.py", "--bind", f"127.0.0.1:{taken.getsockname()[1]}").status == 0
        assert webpy("check", "site.py", "--bind", "unix:s.sock").status == 0
        assert not Path("s.sock").exists()

    def test_tls(self) -> None:
        write("site.py", ROUTES)
        authority = trustme.CA()
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path("both.pem")
        authority.issue_cert("localhost").private_key_pem.write_to_path("other.key")
        write("broken.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
        result = webpy("check", "site.py", "--certfile", "both.pem")
        assert (result.status, result.err) == (0, "") and ", TLS, " in result.out
        for given in (["--certfile", "both.pem", "--keyfile", "other.key"], ["--certfile", "broken.pem"]):
            result = webpy("check", "site.py", *given)
            assert result.status == 2 and given[-1] in result.err


class TestServe:
    def test_it_serves_from_another_process_and_stops(self, serve: Callable[..., Server]) -> None:
        write("site.py", ROUTES)
        server = serve("site.py", "--workers", "1")
        answer = server.get("/")
        assert answer.status == 200 and int(answer.body) != server.pid  # the master has not loaded it
        assert server.stop(signal.SIGTERM) == 0

    def test_statuses(self) -> None:
        write("site.py", ROUTES)
        write("broken.py", "1 / 0\n")
        result = webpy("serve", "gone.py", "--bind", "127.0.0.1:0")
        assert result.status == 3 and "gone.py: no such file" in result.err
        result = webpy("serve", "broken.py", "--bind", "127.0.0.1:0")
        assert result.status == 3 and "ZeroDivisionError" in result.err
        with socket.create_server(("127.0.0.1", 0)) as taken:
            result = webpy("serve", "site.py", "--bind", f"127.0.0.1:{taken.getsockname()[1]}")
        assert result.status == 4 and "127.0.0.1:" in result.err

    def test_a_mistake_in_the_environment(self) -> None:
        write("site.py", ROUTES)
        result = webpy("serve", "site.py", WEBPY_BIND="nowhere")
        assert result.status == 2
        wanted = "a port, HOST:PORT, [IPV6]:PORT, unix:PATH or fd:N, and http:// or https:// before it if need be"
        assert result.err == f"webpy: WEBPY_BIND: got 'nowhere', wanted {wanted}\n"
