"""HTTPServer: what it takes and refuses, and its life in a program of the user's (a real one, on a free port)."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server import ROOT
from webpy import HTTPError, HTTPErrorHandler, HTTPHandler, HTTPServer
from webpy.settings import SettingsError

LIMIT_S = 30.0


class Hello(HTTPHandler):
    def do_get(self) -> Any:
        return 200, "hello"


class Broken(HTTPErrorHandler):
    pass


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("WEBPY_")]:
        monkeypatch.delenv(name)


# -- what it takes ----------------------------------------------------------------------------------------------------


def test_a_bad_route_is_refused_when_it_is_made() -> None:
    routes: dict[str, Any] = {"/(": Hello}
    with pytest.raises(ValueError, match=r"route '/\(': not a regular expression"):
        HTTPServer(("127.0.0.1", 0), routes)
    with pytest.raises(ValueError, match="error route '500': got .*, wanted a subclass of HTTPErrorHandler"):
        HTTPServer(("127.0.0.1", 0), {"/": Hello}, {"500": HTTPError})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"threads": 0}, "threads.*0"),
        ({"thread": 4}, "thread.*threads"),
        ({"certfile": "gone.pem"}, "certfile.*gone.pem"),
        ({"log_level": "loud"}, "loud"),
    ],
)
def test_a_bad_setting_is_refused_when_it_is_made(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        HTTPServer(("127.0.0.1", 0), {"/": Hello}, **given)


@pytest.mark.parametrize("address", [("127.0.0.1", 65536), ("127.0.0.1", "http"), "nonsense", 8000, ()])
def test_a_bad_address_is_refused_when_it_is_made(address: Any) -> None:
    with pytest.raises(ValueError, match="bind"):
        HTTPServer(address, {"/": Hello})


def test_before_it_is_started() -> None:
    server = HTTPServer(("127.0.0.1", 8080), {"/": Hello}, {404: Broken})
    assert (server.address, server.is_running()) == (("127.0.0.1", 8080), False)
    assert HTTPServer("unix:/run/x", {"/": Hello}).address == "unix:/run/x"
    assert HTTPServer(["http://:8080", "[::1]:81"], {"/": Hello}).address == "http://:8080"
    assert HTTPServer([("127.0.0.1", 8080), ("127.0.0.1", 81)], {"/": Hello}).address == ("127.0.0.1", 8080)
    server.stop()  # nothing to stop, and nothing to wait for
    server.join()
    server.close()


# -- in a program -----------------------------------------------------------------------------------------------------

PROGRAM = """
import os, signal, sys, threading, urllib.request
import webpy

class Hello(webpy.HTTPHandler):
    def do_get(self):
        return 200, f'{os.getpid()} {self.request.resource}'

httpd = webpy.HTTPServer(('127.0.0.1', 0), {'/.*': Hello}, workers=2, access_log='off')

def get(path='/'):
    with urllib.request.urlopen('http://%s:%d' % httpd.address + path, timeout=10) as answer:
        return answer.read().decode()
"""


class Program:
    """A script that begins with PROGRAM, in a session of its own."""

    def __init__(self, folder: Path, script: str) -> None:
        (folder / "program.py").write_text(PROGRAM + script)
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "program.py"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate(timeout=LIMIT_S)[1]
        return line.rstrip("\n")

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=LIMIT_S)
        return self.process.returncode, out, err


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Any]:
    made: list[Program] = []

    def run(script: str) -> Program:
        made.append(Program(tmp_path, script))
        return made[-1]

    yield run
    for program in made:
        program.process.kill()  # its end is the end of the master: it holds the other end of its pipe
        program.process.communicate(timeout=LIMIT_S)


def test_start_serve_stop_and_start_again(programs: Any) -> None:
    program = programs("""
assert not httpd.is_running()
for _ in range(2):
    httpd.start()
    assert httpd.is_running() and httpd.address[1]
    pid, path = get('/a?b').split()
    assert path == '/a?b' and int(pid) != os.getpid()
    try:
        httpd.start()
    except RuntimeError as error:
        print(error)
    httpd.stop()
    assert not httpd.is_running()
httpd.close()
with httpd as server:
    assert server is httpd and get()
assert not httpd.is_running()
assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
assert threading.active_count() == 1
print('done')
""")
    status, out, err = program.end()
    assert (status, out) == (0, "the server was started already\n" * 2 + "done\n"), err


def test_an_address_in_use_is_raised_by_start(programs: Any) -> None:
    program = programs("""
httpd.start()
other = webpy.HTTPServer(httpd.address, {'/': Hello})
try:
    other.start()
except OSError as error:
    print(error)
assert not other.is_running()
httpd.close()
""")
    status, out, err = program.end()
    assert status == 0, err
    assert "cannot bind '127.0.0.1:" in out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_program_stays_up_until_a_signal(programs: Any, number: signal.Signals) -> None:
    program = programs("""
import atexit
atexit.register(print, 'over')
httpd.start()
worker = get().split()[0]
httpd.join(0.01)
assert httpd.is_running()
print(worker)
""")
    worker = int(program.line())
    program.process.send_signal(number)
    status, out, err = program.end()
    assert (status, out) == (0, "over\n"), err
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_a_signal_the_program_handles_is_its_own(programs: Any) -> None:
    program = programs("""
mine = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: mine.set())
httpd.start()
print('ready')
while not mine.wait(0.05):
    pass
assert get() and httpd.is_running()
httpd.close()
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
print('mine')
""")
    assert program.line() == "ready"
    program.process.send_signal(signal.SIGTERM)
    status, out, err = program.end()
    assert (status, out) == (0, "mine\n"), err


def test_a_signal_that_comes_while_it_starts_ends_nobody(programs: Any) -> None:
    program = programs("""
os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGHUP))
httpd.start()
print(bool(get()))
httpd.close()
""")
    status, out, err = program.end()
    assert (status, out) == (0, "True\n"), err


def test_when_the_program_is_killed_the_server_ends(programs: Any) -> None:
    program = programs("""
httpd.start()
print(httpd._master_pid)
signal.pause()
""")
    master = int(program.line())
    watch = os.pidfd_open(master)
    try:
        program.process.kill()
        assert select.select([watch], [], [], LIMIT_S)[0]
    finally:
        os.close(watch)


def test_run_serves_in_the_foreground_and_gives_the_status(programs: Any) -> None:
    program = programs("""
timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM))
timer.start()
print(httpd.run())
""")
    status, out, err = program.end()
    assert (status, out) == (0, "0\n"), err


def test_a_file_that_starts_its_server_can_be_loaded(tmp_path: Path) -> None:
    from webpy.target.target import load_target

    (tmp_path / "mine.py").write_text(
        "import webpy\n"
        "class Hello(webpy.HTTPHandler):\n    pass\n"
        "server = webpy.HTTPServer(('127.0.0.1', 0), {'/': Hello}, threads=3)\n"
        "server.start()\nassert server.run() == 0\n"
    )
    target = load_target(f"{tmp_path / 'mine.py'}:server")
    assert (target.kind, dict(target.routes), target.settings["threads"]) == ("server", {"/": target.module.Hello}, 3)
    assert not target.object.is_running()
