"""Existing scripts with their import changed: they bind, serve on two workers, and end as before."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

import webpy.stdlib
from tests.server import Server
from webpy.settings import SettingsError

Serve = Callable[..., Server]

OLD = '''
import os, sys, threading, http.server
from webpy.stdlib import *

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/quit":
            self.server.shutdown()
        body = getattr(self, self.path[1:], lambda: "plain")().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def pid(self):
        return str(os.getpid())

    def told(self):
        server = self.server
        known = isinstance(server, http.server.HTTPServer)
        return f"{server.words} {server.server_port} {server.server_address[1]} {known}"

    def raises(self):
        raise KeyError("raised")
'''


@pytest.fixture
def run(serve: Serve, tmp_path: Path) -> Callable[..., Server]:
    """Return `run(lines, ...)`, which runs a script of these lines behind the handler's."""

    def start(lines: str, *, loads: bool = True, **env: str) -> Server:
        script = tmp_path / "old.py"
        script.write_text(OLD + lines)
        environment = {"WEBPY_WORKERS": "2", **env}
        return serve(script, program=[sys.executable], bind=None, env=environment, loads=loads)

    return start


def test_a_script(run: Callable[..., Server]) -> None:
    server = run(
        'httpd = HTTPServer(("localhost", 0), Handler)\n'
        'httpd.words = "said before"\n'
        'print("port", httpd.server_port)\n'
        "try:\n"
        "    httpd.serve_forever()\n"
        "except KeyboardInterrupt:\n"
        '    print("interrupted")\n'
        "httpd.server_close()\n"
        'print("ended", httpd.RequestHandlerClass is Handler)\n',
        WEBPY_BIND="127.0.0.1:1",  # for others
    )
    port = server.address[1]
    server.wait_for(f"^port {port}$", server.log)
    assert server.get("/").body == b"plain"
    assert server.get("/told").body == f"said before {port} {port} True".encode()
    server.wait_for("worker 1 .* is ready")
    pids: set[bytes] = set()
    deadline = time.monotonic() + 10
    while len(pids) < 2 and time.monotonic() < deadline:
        pids.add(server.get("/pid").body)
    assert len(pids) == 2 and str(server.pid).encode() not in pids
    assert server.get("/raises").status == 500
    assert server.stop(signal.SIGINT) == 0
    assert server.log[-2:] == ["interrupted", "ended True"]
    assert not any("KeyboardInterrupt" in line for line in server.errors)


@pytest.mark.slow
def test_a_script_ends_with_its_traceback_when_it_expects_no_interrupt(run: Callable[..., Server]) -> None:
    server = run('with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:\n    httpd.serve_forever()\n')
    assert server.get("/").body == b"plain"
    assert server.stop(signal.SIGINT) in (-signal.SIGINT, 130)
    assert server.errors[-1] == "KeyboardInterrupt"


def test_term_ends_it_quietly(run: Callable[..., Server]) -> None:
    server = run('HTTPServer(("127.0.0.1", 0), Handler).serve_forever()\nprint("behind")\n')
    server.wait_for("worker 1 .* is ready")
    assert server.stop(signal.SIGTERM) == 0
    assert server.log == ["behind"]


@pytest.mark.slow
def test_shutdown_from_a_thread_twice(run: Callable[..., Server]) -> None:
    server = run(
        "import http.client\n"
        'httpd = HTTPServer(("127.0.0.1", 0), Handler)\n'
        "def ask():\n"
        '    client = http.client.HTTPConnection(*httpd.server_address, timeout=10)\n'
        '    client.request("GET", "/")\n'
        "    print(client.getresponse().read())\n"
        "    client.close()\n"
        "for _ in range(2):\n"
        "    thread = threading.Thread(target=httpd.serve_forever)\n"
        "    thread.start()\n"
        "    ask()\n"
        "    httpd.shutdown()\n"
        "    thread.join(1)\n"
        '    print("stopped", not thread.is_alive())\n'
        "httpd.server_close()\n",
        WEBPY_ACCESS_LOG="off",
    )
    assert server.wait() == 0
    assert server.log == ["b'plain'", "stopped True"] * 2


def test_shutdown_from_a_handler(run: Callable[..., Server]) -> None:
    server = run('HTTPServer(("127.0.0.1", 0), Handler).serve_forever()\nprint("behind")\n')
    assert server.get("/quit").body == b"plain"
    assert server.wait() == 0
    assert server.log[-1] == "behind"


@pytest.mark.slow
def test_shutdown_before_it_serves(run: Callable[..., Server]) -> None:
    server = run(
        'httpd = HTTPServer(("127.0.0.1", 0), Handler)\n'
        "asking = threading.Thread(target=httpd.shutdown)\n"
        "asking.start()\n"
        "httpd.serve_forever()\n"
        "asking.join()\n",
        loads=False,
    )
    assert server.wait() == 0


@pytest.mark.slow
def test_a_script_as_a_target_binds_nothing_and_does_not_serve(serve: Serve, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        script = tmp_path / "old.py"
        script.write_text(f'{OLD}httpd = HTTPServer(("127.0.0.1", {port}), Handler)\nhttpd.serve_forever()\n')
        server = serve(f"{script}:Handler", "--workers", "1")
        assert server.get("/").body == b"plain"


@pytest.mark.slow
def test_hooks(run: Callable[..., Server]) -> None:
    server = run(
        "import socketserver\n"
        "class Server(socketserver.ThreadingMixIn, HTTPServer):\n"
        "    def verify_request(self, request, client_address):\n"
        '        return not os.path.exists("closed")\n'
        "    def finish_request(self, request, client_address):\n"
        '        self.RequestHandlerClass(request, client_address, self, word="given")\n'
        "    def handle_error(self, request, client_address):\n"
        '        print("handled", sys.exc_info()[0].__name__, flush=True)\n'
        "class Told(Handler):\n"
        "    def __init__(self, *args, word):\n"
        "        self.word = word\n"
        "        super().__init__(*args)\n"
        "    def given(self):\n"
        "        return self.word\n"
        'Server(("127.0.0.1", 0), Told).serve_forever()\n'
    )
    assert server.get("/given").body == b"given"
    assert server.get("/raises").status == 500
    server.wait_for("^handled KeyError$", server.log)
    (server.cwd / "closed").touch()
    assert server.get("/given").status == 403


@pytest.mark.slow
def test_tls(run: Callable[..., Server], tmp_path: Path) -> None:
    import ssl

    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    server = run('HTTPSServer(("127.0.0.1", 0), Handler, certfile="cert.pem", keyfile="key.pem").serve_forever()\n')
    context = ssl.create_default_context()
    authority.configure_trust(context)
    client = http.client.HTTPSConnection(*server.address, context=context, timeout=10)
    client.request("GET", "/")
    assert client.getresponse().read() == b"plain"
    client.close()


@pytest.fixture
def httpd() -> Iterator[webpy.stdlib.HTTPServer]:
    server = webpy.stdlib.HTTPServer(("127.0.0.1", 0), webpy.stdlib.BaseHTTPRequestHandler)
    yield server
    server.server_close()


def test_an_address_in_use(httpd: webpy.stdlib.HTTPServer) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="in use"):
        webpy.stdlib.HTTPServer(httpd.server_address, webpy.stdlib.BaseHTTPRequestHandler)  # type: ignore[arg-type]
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_wrong_settings(httpd: webpy.stdlib.HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBPY_WORKERS", "many")
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(SettingsError, match="WEBPY_WORKERS"):
        httpd.serve_forever()
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_socket_of_tls(httpd: webpy.stdlib.HTTPServer) -> None:
    import ssl

    httpd.socket = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).wrap_socket(httpd.socket, server_side=True)
    with pytest.raises(TypeError, match="HTTPSServer takes a certfile"):
        httpd.serve_forever()


def test_one_request_without_webpy(httpd: webpy.stdlib.HTTPServer) -> None:
    """The form's body ends at its own length, not with the connection."""

    class Handler(webpy.stdlib.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.server.seen = self.path, dict(webpy.stdlib.form(self))  # type: ignore[attr-defined]
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    httpd.RequestHandlerClass = Handler
    fields = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 6\r\n"
    with socket.create_connection(httpd.server_address[:2], timeout=10) as sock:  # type: ignore[arg-type]
        sock.sendall(b"POST /callback HTTP/1.0\r\n" + fields + b"\r\ncode=7")
        httpd.handle_request()
        assert re.match(rb"HTTP/1.0 200 ", sock.recv(1000))
    assert httpd.seen == ("/callback", {"code": "7"})  # type: ignore[attr-defined]
