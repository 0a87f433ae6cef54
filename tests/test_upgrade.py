"""USR2 with webpy itself: what the clients of a real server see of an upgrade, and the forms it can be started in."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import ROOT, Server

pytestmark = pytest.mark.slow

APP = """
import os, time
import webpy

class Hello(webpy.HTTPHandler):
    def do_get(self):
        return 200, f"{os.getpid()}"

class Alone(webpy.HTTPHandler):
    atomic = True
    def do_put(self):
        os.mkdir("inside")      # fails if another one is
        open("entered", "w").close()
        time.sleep(0.8)
        os.rmdir("inside")
        return 200, f"{os.getpid()}"

routes = {"/alone": Alone, "/.*": Hello}
"""

DONE = "upgrade done"


def write(folder: Path, text: str = APP) -> str:
    (folder / "app.py").write_text(text)
    return "app.py"


def up(server: Server) -> Server:
    server.wait_for(r"worker \d gen 1 \[\d+\] is ready")
    return server


def test_keep_alive_connections_do_not_notice(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = up(serve(write(tmp_path), "--workers", "2"))
    answered = [0] * 8
    failures: list[BaseException] = []
    over = threading.Event()

    def client(number: int) -> None:
        try:
            with contextlib.closing(server.client()) as connection:
                connection.connect()
                first = connection.sock
                while not over.is_set():
                    connection.request("GET", f"/{number}/{answered[number]}")
                    got = connection.getresponse()
                    assert got.status == 200 and got.read() and connection.sock is first, "the same connection"
                    answered[number] += 1
                    over.wait(0.002)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(len(answered))]
    for thread in threads:
        thread.start()
    for count in (1, 2, 3):
        server.send(signal.SIGUSR2)
        server.wait_for(DONE, count=count)
    over.set()
    for thread in threads:
        thread.join(20)
    assert not failures
    assert server.stop() == 0
    lines = [line.split('"')[1].split()[1] for line in server.log]
    wanted = [f"/{number}/{request}" for number, count in enumerate(answered) for request in range(count)]
    assert sorted(lines) == sorted(wanted), "each request has its one line"


def test_a_lock_holds_from_one_program_to_the_next(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = up(serve(write(tmp_path), "--workers", "1"))
    pids: list[bytes] = []

    def put() -> None:
        got = server.request("PUT", "/alone", b"x")
        assert got.status == 200, got
        pids.append(got.body)

    old = server.get("/").body
    server.send(signal.SIGUSR2)
    server.wait_for(DONE)
    first = threading.Thread(target=put)
    first.start()
    while not (tmp_path / "entered").exists():
        assert first.is_alive()
    server.send(signal.SIGHUP)
    server.wait_for("worker 0 gen 2 .* is ready")
    while server.get("/").body == old:  # which has not heard yet that it is to accept no more
        assert first.is_alive()
    put()
    first.join(10)
    assert len(set(pids)) == 2, "two workers of two programs, one after the other"
    assert server.stop() == 0


def test_under_tls(serve: Callable[..., Server], tmp_path: Path) -> None:
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "cert.pem")
    server = serve(write(tmp_path), "--certfile", "cert.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with contextlib.closing(http.client.HTTPSConnection(*server.address, timeout=10, context=context)) as client:
        for count in (1, 2):
            client.request("GET", "/")
            assert client.getresponse().read()
            server.send(signal.SIGUSR2)
            server.wait_for(DONE, count=count)
        client.request("GET", "/")
        assert client.getresponse().read()
    assert server.stop() == 0


SCRIPT = (
    APP
    + """
if __name__ == "__main__":
    import sys
    sys.exit(webpy.HTTPServer(("127.0.0.1", 0), routes, workers=1).run())
"""
)


def test_a_program_of_the_users_own(serve: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(SCRIPT)
    server = serve("program.py", program=[sys.executable], bind=None)
    before = server.get("/").body
    for count in (1, 2):
        server.send(signal.SIGUSR2)
        server.wait_for(DONE, count=count)
    assert server.get("/").body == before
    (tmp_path / "program.py").write_text(SCRIPT.replace("import os", "import oss"))
    server.send(signal.SIGUSR2)
    server.wait_for("upgrade refused, nothing has changed")
    server.wait_for("ModuleNotFoundError: No module named 'oss'")
    assert server.get("/").body == before
    assert server.stop() == 0


def test_a_program_that_starts_it_beside_itself_is_refused(serve: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(SCRIPT.replace("sys.exit(", "(").replace(".run()", ".start()"))
    server = serve("program.py", program=[sys.executable], bind=None)
    server.send(signal.SIGUSR2)
    server.wait_for("no upgrade now: this process cannot be run again")
    assert server.get("/").status == 200
    assert server.stop() == 0


def test_a_console_script(serve: Callable[..., Server], tmp_path: Path) -> None:
    script = tmp_path / "bin" / "webpy"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\nimport sys\nfrom webpy.cli import main\nsys.exit(main())\n")
    script.chmod(0o755)
    server = serve(write(tmp_path), "--workers", "1", program=["bin/webpy", "serve"])
    before = server.get("/").body
    server.send(signal.SIGUSR2)
    server.wait_for(DONE)
    assert server.get("/").body == before
    assert server.stop() == 0


def test_ctl_says_how_it_went(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = up(serve(write(tmp_path), "--control", str(tmp_path / "control.sock")))

    def ctl() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "webpy.cli", "ctl", "--control", str(tmp_path / "control.sock"), "upgrade"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, capture_output=True, text=True, timeout=30, env=environment, cwd=tmp_path)

    done = ctl()
    assert (done.returncode, done.stderr) == (0, ""), done
    assert DONE in done.stdout
    write(tmp_path, APP + "\nraise RuntimeError('an application of tomorrow')\n")
    done = ctl()
    assert done.returncode == 1
    assert "RuntimeError: an application of tomorrow" in done.stderr
    (tmp_path / "webpy.toml").write_text("threads = 0\n")
    done = ctl()
    assert done.returncode == 1
    assert "threads" in done.stderr
    assert server.get("/").status == 200
    assert server.stop() == 0
