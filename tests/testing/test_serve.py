"""`webpy.testing.serve`: a real server for a with block; how it starts, what it says, and that all of it ends."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

import webpy
from tests.server import ROOT
from webpy import HTTPErrorHandler, HTTPHandler
from webpy.testing import BrokenAnswer, Client, ReloadError, Server, StartError, serve

APP = """
import os
import time
import webpy

class Hello(webpy.HTTPHandler):
    def do_get(self):
        return 200, f"version 1 in {os.getpid()}"

class Slow(webpy.HTTPHandler):
    def do_get(self):
        print("begun", flush=True)
        time.sleep(60)
        return 200, ""

class Die(webpy.HTTPHandler):
    def do_get(self):
        os.kill(os.getpid(), 9)

routes = {"/": Hello, "/slow": Slow, "/die": Die}
"""


class Pid(HTTPHandler):
    def do_get(self) -> Any:
        return 200, str(os.getpid())


class Boom(HTTPHandler):
    def do_get(self) -> Any:
        raise LookupError("boom")


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "servedapp.py"
    path.write_text(APP)
    return path


def alive(session: int) -> list[int]:
    """The processes of a session, without those that have ended and wait for their parent."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(entry))
    return found


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


# -- the start --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["servedapp", "servedapp:routes", "servedapp.py", Path("servedapp.py")])
def test_a_target_as_webpy_serve_takes_it(app: Path, target: Any) -> None:
    with serve(target) as server:
        answer = server.get("/")
        assert answer.status == 200 and answer.text.startswith("version 1 in ")
        assert answer.text != f"version 1 in {os.getpid()}" and "servedapp" not in sys.modules
        assert answer.url == f"{server.url}/" == f"http://127.0.0.1:{server.address[1]}/"


def test_an_object_of_the_test(app: Path) -> None:
    said: list[str] = ["before"]

    class Said(HTTPHandler):
        def do_get(self) -> Any:
            return 200, " ".join(said)

    class Own(HTTPErrorHandler):
        def format(self) -> Any:
            return "mine"

    with serve({"/": Said}, error_routes={404: Own}) as server:
        said.append("after")
        assert server.get("/").text == "before", "it is a fork, as the test was when it began"
        assert server.get("/none").text == "mine"


def test_kinds_of_objects() -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode()]

    for target, text in ((application, "/x"), (Pid, None), (webpy.HTTPServer(("", 0), {"/x": Pid}, max_body=5), None)):
        with serve(target) as server:
            assert server.get("/x").text == (text or str(server.status()["workers"][0]["pid"]))


def test_several_workers_all_serve(app: Path) -> None:
    with serve(app, workers=2) as server:
        assert [each["state"] for each in server.status()["workers"]] == ["ready", "ready"]
        pids = {str(each["pid"]) for each in server.status()["workers"]}
        assert {server.get("/").text.split()[-1] for _ in range(20)} <= pids


def test_several_servers_at_a_time(app: Path) -> None:
    """Also such as are forked while others, and clients, have their threads here; each ends by itself."""
    with Client({"/": Pid}) as client, serve({"/": Pid}) as one, serve({"/": Pid}) as two, serve(app) as three:
        first, second = one.get("/").text, two.get("/").text
        assert len({first, second, client.get("/").text}) == 3
        one.stop()
        assert not alive(one.pid)
        assert two.get("/").text == second and three.get("/").status == 200 and client.get("/").status == 200


def test_threads_start_servers_too() -> None:
    found: list[int] = []

    def work() -> None:
        with serve({"/": Pid}) as server:
            found.append(server.get("/").status)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(40)
    assert found == [200, 200, 200]


@pytest.mark.parametrize(
    ("target", "settings", "message"),
    [
        ("nowhere:app", {}, "nowhere:app: no module named 'nowhere'"),
        ("servedapp:rutes", {}, "did you mean servedapp:routes?"),
        ({"(": Pid}, {}, r"route '\(': not a regular expression"),
        (7, {}, "got 7 of type int"),
        ("servedapp", {"bind": "192.0.2.1:80"}, "cannot bind '192.0.2.1:80'"),
        ("servedapp", {"workers": 0}, "--workers: got 0, wanted"),
        ("servedapp", {"max_boddy": 1}, "did you mean --max-body"),
        ("servedapp", {"config": "no.toml"}, "no such file"),
        ("servedapp", {"certfile": "no.pem"}, "no.pem"),
    ],
)
def test_what_does_not_start(app: Path, tmp_path: Path, target: Any, settings: Any, message: str) -> None:
    with pytest.raises(StartError, match=message) as caught:
        serve(target, **settings)
    assert "[info]" not in str(caught.value)


def test_a_start_that_takes_too_long(app: Path) -> None:
    app.write_text("import time\ntime.sleep(60)\n" + APP)
    with pytest.raises(StartError, match="did not become ready within 0.2 s"):
        serve(app, boot_timeout=0.2)


def test_settings(app: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "webpy.toml").write_text("max_line = 100\n")
    monkeypatch.setenv("WEBPY_MAX_LINE", "100")
    monkeypatch.setenv("PORT", "1")
    long = "/" + "x" * 200
    with serve(app) as server:
        assert server.get(long).status == 404
    with serve(app, config="webpy.toml") as server:
        assert server.get(long).status == 414
    with serve({"/.*": Pid}, config=tmp_path / "webpy.toml", max_line=1000) as server:
        assert server.get(long).status == 200


def test_what_webpy_keeps_is_the_servers_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Where(HTTPHandler):
        def do_get(self) -> Any:
            return 200, os.environ.get("STATE_DIRECTORY", "")

    assert "XDG_STATE_HOME" in os.environ  # by conftest.py: what the test says goes
    with serve({"/": Where}) as server:
        assert server.get("/").text == ""
    monkeypatch.delenv("XDG_STATE_HOME")
    with serve({"/": Where}) as server:
        folder = Path(server.get("/").text)
        assert folder.is_dir()
    assert not folder.exists() and "STATE_DIRECTORY" not in os.environ


def test_a_unix_socket(app: Path, tmp_path: Path) -> None:
    with serve(app, bind=f"unix:{tmp_path}/s") as server:
        assert (server.address, server.url) == (f"unix:{tmp_path}/s", "http://localhost")
        assert server.get("/").status == 200


# -- requests ---------------------------------------------------------------------------------------------------------


def certificate(folder: Path) -> Path:
    pem = folder / "server.pem"
    trustme.CA().issue_cert("example.org").private_key_and_cert_chain_pem.write_to_path(str(pem))
    return pem


def test_tls(tmp_path: Path) -> None:
    class Scheme(HTTPHandler):
        def do_get(self) -> Any:
            return 200, f"{self.request.scheme} {self.request.host} {self.request.tls is not None}"

        def do_post(self) -> Any:
            return 200, self.request.body

    pem = str(certificate(tmp_path))
    with serve({"/": Scheme}, certfile=pem, keyfile=pem) as server:
        assert server.url.startswith("https://127.0.0.1:")
        assert server.get("/").text == f"https {server.url.removeprefix('https://')} True"
        assert server.get("https://example.org/").text == "https example.org True"
        assert server.post("/", data=b"x" * 300_000).body == b"x" * 300_000
        assert server.post("/", data=b"x", headers={"Expect": "100-continue"}).body == b"x"
    with serve({"/": Scheme}, bind="http://127.0.0.1:0,https://127.0.0.1:0", certfile=pem) as server:
        assert server.get("/").text.startswith("http 127.0.0.1:")
    strict = ssl.create_default_context()
    with (
        serve({"/": Scheme}, certfile=pem, keyfile=pem, ssl_context=strict) as server,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        server.get("/")


def test_it_is_a_client_like_the_other() -> None:
    class Count(HTTPHandler):
        def do_get(self) -> Any:
            count = int(self.request.headers.get("Cookie", "n=0").partition("=")[2]) + 1
            self.response.headers.set("Set-Cookie", f"n={count}")
            return 200, str(count)

    class There(HTTPHandler):
        def do_post(self) -> Any:
            self.response.headers.set("Location", "/" if self.request.query else "http://elsewhere.example/")
            return 303, ""

    with serve({"/": Count, "/there.*": There}, headers={"X-A": "1"}, follow_redirects=True) as server:
        assert [server.get("/").text for _ in range(3)] == ["1", "2", "3"]
        answer = server.post("/there?x", json=[1])
        assert answer.text == "4" and [each.status for each in answer.history] == [303]
        assert server.post("/there").status == 303
        with pytest.raises(TypeError, match="raise_errors: .* wanted webpy.testing.Client"):
            server.get("/", raise_errors=False)


def test_an_exception_is_a_500_and_in_the_log() -> None:
    with serve({"/boom": Boom}) as server:
        assert server.get("/boom").status == 500
        assert server.wait_for(r"GET /boom \(Boom\) raised")
        assert server.wait_for("LookupError: boom") and server.wait_for('"GET /boom HTTP/1.1" 500')
        assert "LookupError: boom" in server.log and "GET /boom HTTP/1.1" in server.access_log
        with pytest.raises(
            TimeoutError, match="(?s)'nothing of it' is not in the logs after 0.01 s; error log:\n.*boom"
        ):
            server.wait_for("nothing of it", timeout=0.01)


def test_what_the_application_prints_and_logs_is_in_the_logs() -> None:
    class Say(HTTPHandler):
        def do_get(self) -> Any:
            import logging

            print("printed")
            print("to stderr", file=sys.stderr)
            logging.getLogger("theirs").warning("logged")
            return 200, ""

    with serve({"/": Say}) as server:
        server.get("/")
        for text in ("printed", "to stderr", "logged"):
            server.wait_for(text)


def test_what_the_program_of_a_path_prints(app: Path) -> None:
    app.write_text(APP + "\nprint('loaded')\n")
    with serve(app) as server:
        server.wait_for("loaded")


def test_the_death_of_a_worker(app: Path) -> None:
    with serve(app) as server:
        with pytest.raises(BrokenAnswer, match="GET http://127.0.0.1:.*/die: the connection ended without an answer"):
            server.get("/die")
        assert server.get("/").status == 200
        server.wait_for("SIGKILL")


def test_a_timeout(app: Path) -> None:
    said = r"GET http://.*/slow: nothing came within 0.05 s \(timeout\)"
    with serve(app, timeout=0.05, drain_timeout=0.1) as server, pytest.raises(TimeoutError, match=said):
        server.get("/slow")


# -- commands ---------------------------------------------------------------------------------------------------------


def test_reload(app: Path) -> None:
    with serve(app) as server:
        app.write_text(APP.replace("version 1", "version two"))
        server.reload()
        assert server.get("/").text.startswith("version two")
        app.write_text("1/0\n")
        with pytest.raises(ReloadError, match="ZeroDivisionError"):
            server.reload()
        assert server.get("/").text.startswith("version two")


def test_stop(app: Path) -> None:
    server = serve(app, workers=2)
    assert len(alive(server.pid)) == 4  # master, zygote, workers
    assert server.stop() == 0 and server.stop() == 0
    assert not alive(server.pid)
    assert "stopped" in server.log
    for use in (lambda: server.get("/"), server.reload, server.status):
        with pytest.raises(RuntimeError, match="the server has been stopped"):
            use()


# -- the end, whatever happens ----------------------------------------------------------------------------------------


def ask_in_vain(server: Server, path: str) -> threading.Thread:
    def ask() -> None:
        try:
            server.get(path)
        except OSError:
            return

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
def test_it_ends_with_the_block_however_that_is_left(app: Path, failure: type[BaseException]) -> None:
    with pytest.raises(failure), serve(app) as server:
        raise failure
    assert not alive(server.pid)


def test_a_handler_that_does_not_end_is_ended(app: Path) -> None:
    with serve(app, drain_timeout=0.2) as server:
        asker = ask_in_vain(server, "/slow")
        server.wait_for("begun")
    assert not alive(server.pid)
    asker.join(20)


def test_a_server_that_does_not_even_stop_is_killed(app: Path) -> None:
    server = serve(app)
    for pid in alive(server.pid):
        os.kill(pid, signal.SIGSTOP)
    assert server.stop(timeout=0.05) == -signal.SIGKILL
    # a killed process closes its files, for which `stop` waits, some moments before it has ended
    until(lambda: not alive(server.pid), f"{alive(server.pid)} are left")


@pytest.mark.parametrize("target", ["'servedapp'", "{'/': webpy.HTTPHandler}"])
def test_it_ends_when_the_tests_are_killed(app: Path, target: str) -> None:
    program = f"""
import os, signal, webpy, webpy.testing
one, two = webpy.testing.serve({target}, workers=2), webpy.testing.serve({target})
print(one.pid, two.pid, flush=True)
signal.pause()
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as tests:
        assert tests.stdout is not None
        pids = [int(word) for word in tests.stdout.readline().split()]
        assert [len(alive(pid)) for pid in pids] == [4, 3]
        tests.kill()
    for pid in pids:
        until(lambda pid=pid: not alive(pid), f"{alive(pid)} of {pid} are left")  # type: ignore[misc]


def test_nothing_is_left_in_this_process(app: Path) -> None:
    def present() -> tuple[list[str], int]:
        return sorted(os.listdir("/proc/self/fd")), threading.active_count()

    before = present()
    for target in (app, {"/": Pid}):
        with serve(target) as server:
            server.get("/")
    for target in (app, {"/": Pid}):
        with pytest.raises(StartError):
            serve(target, bind="192.0.2.1:80")
    assert present() == before
