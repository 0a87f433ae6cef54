"""Listeners of both schemes in one server: what hosts are told of each, logs, reloads, upgrades, inherited sockets."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server import ROOT, Server

from .bothschemes import BINDS, Both, Place, Trust, begin
from .client import Client, get, until

APP = Path(__file__).parent / "apps" / "forwarded.py"

Serve = Callable[..., Server]


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust(tmp_path_factory.mktemp("trust"))


@pytest.fixture(scope="module", params=["1", "2"], ids=["one worker", "two workers"])
def both(request: pytest.FixtureRequest, trust: Trust, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    options = (*BINDS, *trust.options, "--workers", request.param)
    server = Server(APP, *options, bind=None, cwd=tmp_path_factory.mktemp("both"))
    try:
        yield begin(server, trust)
    finally:
        server.kill()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", r"127.0.0.1 \d+ {scheme} a"),
        ("/waiting", r"127.0.0.1 \d+ {scheme} a"),
        ("/wsgi/x", r"127.0.0.1 \d+ {scheme} a a {port}"),
        ("/objects/", r"127.0.0.1 \d+ {scheme}://a"),
        ("/cgi/who", r"127.0.0.1 \d+ {scheme} a a {port} {https}"),
    ],
)
def test_every_host_is_told_the_scheme_and_port_of_the_listener(both: Both, path: str, expected: str) -> None:
    with both.http.client() as plain, both.https.client() as secure:
        for _ in range(6):  # the same head again and again, now from one listener, now from the other
            for client, scheme, port in ((plain, "http", both.http.port), (secure, "https", both.https.port)):
                wanted = expected.format(scheme=scheme, port=port, https="on" if scheme == "https" else "off")
                assert re.fullmatch(wanted, client.ask(path).text)


def test_both_write_one_access_log(both: Both) -> None:
    for number, place in enumerate((both.http, both.https)):
        assert place.ask(f"/wsgi/shared/{number}").status == 200
        both.server.wait_for(rf'"GET /wsgi/shared/{number} HTTP/1.1" 200 ', both.server.log)


def test_the_wrong_scheme_is_refused(both: Both) -> None:
    with Client(both.http) as client:
        client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
        assert client.read().status == 400
    for method in ("GET", "POST"):
        with Client(both.https) as client:  # without TLS
            client.send(get(method=method, body=b"x" * 1000))
            reply = client.read()
            assert (reply.status, reply.get("Strict-Transport-Security")) == (400, None)
            assert reply.text == "this address speaks https, and the request came without TLS\n"
            assert client.rest() == b""
    both.server.wait_for(r'^127\.0\.0\.1 .* "-?" 400 60 ', both.server.log, count=2)


def ctl(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "webpy.cli", "ctl", "--control", str(folder / "control"), *words]
    done = subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def scheme_at(place: Place) -> str:
    """The scheme that a WSGI application is told there; why there is none otherwise."""
    try:
        reply = place.ask("/wsgi/x")
    except ConnectionError:
        return "refused"
    return reply.text.split()[2] if reply.status == 200 else str(reply.status)


@pytest.mark.slow
def test_a_reload_changes_the_schemes_and_the_others_notice_nothing(serve: Serve, trust: Trust, tmp_path: Path) -> None:
    """The first listener serves on while the second changes its scheme twice, a third comes, and the second goes."""
    host = "127.77.{}.{}".format(*divmod(os.getpid() % (250 * 250), 250))  # where nobody takes the ports meanwhile
    with socket.socket() as one, socket.socket() as two, socket.socket() as three:
        ports = []
        for sock in (one, two, three):
            sock.bind((host, 0))
            ports.append(sock.getsockname()[1])
    first, second, third = (f"{host}:{port}" for port in ports)
    config = tmp_path / "webpy.toml"

    def write(*binds: str) -> None:
        config.write_text(f'bind = {json.dumps(binds)}\ncertfile = "{trust.certfile}"\ncontrol = "control"\n')

    write(f"http://{first}", f"https://{second}")
    server = serve(APP, "--workers", "2", bind=None)
    steady, changing = Place((host, ports[0])), Place((host, ports[1]))
    over, answered, failures = threading.Event(), [0], list[BaseException]()

    def load() -> None:
        try:
            while not over.is_set():
                with steady.client() as client:
                    for _ in range(5):
                        reply = client.ask("/")
                        assert reply.status == 200
                        answered[0] += 1
                        if reply.get("Connection") == "close":
                            break
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        assert scheme_at(Place((host, ports[1]), trust.context)) == "https"
        write(f"http://{first}", f"http://{second}", f"https://{third}")
        ctl(tmp_path, "reload", "--wait")
        until(lambda: scheme_at(changing) == "http", "the new scheme")  # a worker that leaves may accept once more
        assert scheme_at(Place((host, ports[2]), trust.context)) == "https"
        assert f"listening on http://{first}, http://{second}, https://{third}" in ctl(tmp_path, "status")
        write(f"http://{first}", third)  # without a scheme it is https, as there is a certificate
        ctl(tmp_path, "reload", "--wait")
        assert scheme_at(Place((host, ports[2]), trust.context)) == "https"
        until(lambda: scheme_at(changing) == "refused", "the end of the listener")
    finally:
        over.set()
        thread.join(20)
    assert not failures and answered[0]
    said = [line.rpartition("listening on ")[2] for line in server.errors if "listening on" in line]
    assert said == [f"http://{first}", f"https://{second}", f"http://{second}", f"https://{third}"]


@pytest.mark.slow
def test_a_reload_keeps_two_listeners_of_port_0(serve: Serve, trust: Trust, tmp_path: Path) -> None:
    met = begin(serve(APP, *BINDS, *trust.options, "--workers", "1", "--control", "control", bind=None), trust)
    ctl(tmp_path, "reload", "--wait")
    assert scheme_at(met.http) == "http"
    assert scheme_at(met.https) == "https"


@pytest.mark.slow
def test_an_upgrade_keeps_the_schemes(serve: Serve, trust: Trust) -> None:
    met = begin(serve(APP, *BINDS, *trust.options, "--workers", "1", bind=None), trust)
    met.server.send(signal.SIGUSR2)
    met.server.wait_for("upgrade done")
    for generation in (1, 2):
        assert scheme_at(met.http) == "http"
        assert scheme_at(met.https) == "https"
        if generation == 1:
            met.server.send(signal.SIGHUP)
            met.server.wait_for("generation 2 serves|gen 2 .* is ready")


# -- sockets that others have made -------------------------------------------------------------------------------------

ACTIVATE = """
import os, socket, sys
given = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
for number, sock in enumerate(given):
    os.dup2(os.dup(sock.fileno()), 10 + number)
for number in (0, 1):
    os.dup2(10 + number, 3 + number)
ports = [sock.getsockname()[1] for sock in given]
words = [word.format(*ports) for word in sys.argv[1:]]
if words[0] == "systemd":
    os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2"}
os.execv(sys.executable, [sys.executable, "-m", "webpy.cli", "serve", *words[1:]])
"""


@pytest.mark.parametrize(
    ("how", "binds"),
    [
        ("systemd", ("http://fd:3", "https://fd:4")),
        ("systemd", ("http://127.0.0.1:{0}", "https://:{1}")),
        ("systemd", ("https://127.0.0.1:{1}", "http://[::]:{0}")),
        ("fd", ("http://fd:3", "fd:4")),
    ],
)
def test_sockets_of_a_service_manager(serve: Serve, trust: Trust, how: str, binds: tuple[str, str]) -> None:
    options = [word for bind in binds for word in ("--bind", bind)]
    program = (sys.executable, "-c", ACTIVATE, how)
    met = begin(serve(APP, *options, *trust.options, "--workers", "1", bind=None, program=program), trust)
    assert scheme_at(met.http) == "http"
    assert scheme_at(met.https) == "https"


def test_a_server_that_a_program_starts(serve: Serve, trust: Trust, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "import webpy\n"
        "class Hello(webpy.HTTPHandler):\n"
        "    def do_get(self):\n"
        "        return 200, self.request.scheme\n"
        "binds = ['http://127.0.0.1:0', 'https://127.0.0.1:0']\n"
        f"webpy.HTTPServer(binds, {{'/': Hello}}, certfile={trust.certfile!r}, workers=1).start()\n"
    )
    met = begin(serve("program.py", bind=None, program=(sys.executable,)), trust)
    assert (met.http.ask("/").text, met.https.ask("/").text) == ("http", "https")


def test_a_unix_socket_with_a_scheme(serve: Serve, trust: Trust, tmp_path: Path) -> None:
    server = serve(APP, *trust.options, "--workers", "1", bind="http://unix:s.sock")
    server.wait_for(rf"listening on http://unix:{re.escape(str(tmp_path))}/s\.sock|listening on http://unix:s\.sock")
    assert server.get("/wsgi/x").body.split()[2] == b"http"
    assert any("certfile: has no effect without https:// in bind" in line for line in server.errors)
