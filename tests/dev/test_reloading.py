"""`webpy dev` and changes of the sources: what is broken is shown, and served again when it is mended."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.dev.conftest import COMMAND, HTML, Develop
from tests.server import ROOT, Server

APP = """
import webpy as web
class Hello(web.HTTPHandler):
    def do_get(self):
        return 200, "one"
routes = {"/": Hello, web.path("/items/{id:int}"): Hello}
"""
RELOADED = "reloaded app.py:routes"


def change(server: Server, text: str, until: str) -> None:
    """Replace app.py, at once and not in two steps that would be two changes, and wait until `until` is said of it."""
    count = sum(until in line for line in server.errors)
    (server.cwd / "new").write_text(text)
    os.replace(server.cwd / "new", server.cwd / "app.py")
    server.wait_for(re.escape(until), count=count + 1)


def test_a_change_is_served(develop: Develop) -> None:
    server = develop(APP)
    assert server.get("/").body == b"one"
    change(server, APP.replace("one", "another"), RELOADED)
    server.wait_for("changed: app.py")
    assert server.get("/").body == b"another"
    assert server.stop(signal.SIGINT) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (APP + "def broken(:\n", "SyntaxError", "invalid syntax"),
        (APP + "import gone_for_good\n", "ModuleNotFoundError", "No module named &#x27;gone_for_good&#x27;"),
        (APP + "def warm_up():\n    1 / 0\n", "ZeroDivisionError", "division by zero"),
        (APP + "import sys\nsys.exit(3)\n", "SystemExit", "3"),
        (APP + "routes['/('] = Hello\n", "webpy.target.errors.TargetError", "not a regular expression"),
        (APP + "mixins = Hello\n", "webpy.target.errors.TargetError", "mixins: got the class Hello, wanted a tuple"),
        ("x = 1\n", "webpy.target.errors.TargetError", "app.py: has none of routes, app, "),
        ("async def app(scope, receive, send): pass\n", "webpy.target.errors.TargetError", "serve ASGI ones yet"),
    ],
)
def test_what_does_not_load_is_shown_until_it_is_mended(text: str, kind: str, message: str, develop: Develop) -> None:
    server = develop(text)
    page = server.get("/any/path?x=1", headers=HTML)
    assert page.status == 500 and page.headers["Refresh"] == "2"
    assert f"<h1>{kind}</h1>" in page.body.decode() and message in page.body.decode()
    assert "importlib" not in page.body.decode()
    assert message.replace("&#x27;", "'").encode() in server.get("/").body
    assert server.request("POST", "/", b"x", HTML).headers["Refresh"] is None  # it would be sent again
    server.wait_for(r"^error: app\.py")
    change(server, APP, RELOADED)
    assert server.get("/").body == b"one"
    change(server, text, "every request is answered with this error until app.py is mended")
    assert message in server.get("/", headers=HTML).body.decode()
    change(server, APP.replace("one", "two"), RELOADED)
    assert server.get("/").body == b"two"
    assert server.stop() == 0


def test_it_has_one_worker_and_the_settings_of_development(develop: Develop, tmp_path: Path) -> None:
    (tmp_path / "webpy.toml").write_text("workers = 3\naccess_log = 'access.log'\nmax_body = 5\n")
    source = APP.replace('"one"', "str(os.getpid())").replace("import webpy", "import os, webpy")
    server = develop(source, env={"WEBPY_WORKERS": "4"})
    assert len({server.get("/").body for _ in range(8)}) == 1
    assert server.request("PUT", "/", b"longer").status in (405, 413)
    server.wait_for(r"^GET / 200 [\d.]+ m?s$", server.log, count=8)
    assert not (tmp_path / "access.log").exists()


def test_an_access_log_that_is_asked_for(develop: Develop) -> None:
    server = develop(APP, "--access-format", "common")
    server.get("/")
    server.wait_for(r'^127\.0\.0\.1 - - \[.*\] "GET / HTTP/1\.1" 200 3$', server.log)


def test_what_it_says_at_the_start(develop: Develop) -> None:
    server = develop(APP)
    base = re.escape(server.url)
    server.wait_for(rf"^serving app\.py:routes \(routes\), for development, listening on {base} \(Ctrl-C stops it\)$")
    server.wait_for(rf"^  {base}/ +GET  Hello$")
    server.wait_for(r"^  /items/\{id:int\} +GET  Hello$")


def test_it_warns_of_routes_that_cannot_answer(develop: Develop) -> None:
    server = develop(APP + "routes['/items/5'] = Hello\n")
    server.wait_for(r"^warning: route '/items/5' never answers: ")


def test_a_request_that_is_no_line_for_a_terminal(develop: Develop) -> None:
    server = develop(APP)
    with server.connect() as client:
        client.sendall(b"GET /\x1b[31m HTTP/1.1\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 400 ")
    server.wait_for(r"^GET /\\x1B\[31m HTTP/1\.1 400 ", server.log)


def run(folder: Path, *arguments: str, hidden: str = "pass") -> subprocess.CompletedProcess[str]:
    code = f"import sys; {hidden}; from webpy.cli import main; main(prog_name='webpy')"
    return subprocess.run(
        [sys.executable, "-c", code, "dev", "app.py", "--port", "0", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_mistakes(tmp_path: Path) -> None:
    done = run(tmp_path, "--workers", "2")
    assert (done.returncode, done.stderr) == (
        2,
        "webpy: --workers: got '2', but webpy dev has one worker; `webpy serve` has many\n",
    )
    done = run(tmp_path)
    assert (done.returncode, done.stderr) == (3, f"webpy: app.py: no such file: '{tmp_path}/app.py'\n")
    (tmp_path / "app.py").write_text(APP)
    done = run(tmp_path, hidden="sys.modules['watchfiles'] = None")
    assert (done.returncode, done.stderr) == (
        2,
        "webpy: watchfiles is not installed, so no change of a source would be noticed: "
        "pip install 'webpy[reload]', or give --no-reload\n",
    )


def test_without_reload(serve: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    code = "import sys; sys.modules['watchfiles'] = None; from webpy.cli import main; main(prog_name='webpy')"
    server = serve("app.py", "--no-reload", program=[sys.executable, "-c", code, "dev"], loads=False)
    server.wait_for("serving app.py:routes")
    assert server.stop() == 0


@pytest.mark.parametrize("colours", [True, False])
def test_on_a_terminal(colours: bool, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP + "import nothing_of_this_name\n")
    ours, theirs = os.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    if not colours:
        environment["NO_COLOR"] = "1"
    command = [*COMMAND, "app.py", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as server:
        os.close(theirs)
        seen = b""

        def read_until(wanted: bytes) -> re.Match[bytes]:
            nonlocal seen
            while not (found := re.search(wanted, seen)):
                seen += os.read(ours, 65536)
            return found

        try:
            port = int(read_until(rb"serving the error of app\.py, .* listening on http://127\.0\.0\.1:(\d+) ")[1])
            assert (b"\x1b[1;31merror:\x1b[0m app.py: " in seen) is colours
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            client.request("GET", "/")
            assert client.getresponse().status == 500
            client.close()
            coloured = rb"GET / \x1b\[1;31m500\x1b\[0m \x1b\[2m[\d.]+ m?s\x1b\[0m\r"
            read_until(coloured if colours else rb"GET / 500 [\d.]+ m?s\r")
            assert (b"\x1b" in seen) is colours
        finally:
            server.terminate()
            server.wait(20)
            os.close(ours)
    assert server.returncode == 0
