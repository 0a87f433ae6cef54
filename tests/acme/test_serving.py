"""Servers that get their certificates from a real ACME directory, which has faults."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acme.directory import Directory, Front, running
from tests.server import Server
from tests.services import free_port

pytestmark = [pytest.mark.slow, pytest.mark.needs("pebble", "pebble-challtestsrv")]

NAME, OTHER = "example.org", "www.example.org"
ROUTES = """
import webpy as web
class Handler(web.HTTPHandler):
    def do_get(self):
        return 200, f"hello over {self.request.scheme}"
routes = {"/.*": Handler}
"""
WSGI = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello over " + environ["wsgi.url_scheme"].encode()]
"""
Start = Callable[..., Server]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Directory]:
    with running(tmp_path_factory.mktemp("pebble")) as found:
        yield found


@pytest.fixture
def start(serve: Callable[..., Server], tmp_path: Path, directory: Directory) -> Start:
    """Gives start(*options, url=…, http_port=…, code=…): a server with both listeners, and a certificate for NAME from
    the directory."""
    (tmp_path / "st").mkdir()

    def begin(*options: str, url: str = "", http_port: int | None = None, code: str = ROUTES, **more: object) -> Server:
        (tmp_path / "app.py").write_text(code)
        port = directory.http_port if http_port is None else http_port
        binds = ["--bind", f"http://127.0.0.1:{port}", "--bind", "https://127.0.0.1:0"]
        names = [] if (tmp_path / "webpy.toml").exists() else ["--acme", NAME]
        acme = [*names, "--acme-directory", url or directory.url, "--acme-ca", directory.ca]
        keywords: dict[str, object] = {"bind": None, "env": {"STATE_DIRECTORY": str(tmp_path / "st")}, **more}
        return serve("app.py", *binds, *acme, "--control", str(tmp_path / "ctl"), *options, **keywords)

    return begin


def https_port(server: Server) -> int:
    return int(server.wait_for(r"listening on https://").rpartition(":")[2])


def wait_for_certificate(server: Server, count: int = 1) -> None:
    server.wait_for(r"new certificates taken on by", count=count, timeout=40)


def shake_hands(server: Server, root: str | None, name: str = NAME) -> ssl.SSLSocket:
    """Return a connection by https, to a server whose certificate is verified by `root`."""
    context = ssl.create_default_context(cadata=root)
    if root is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    sock = socket.create_connection(("127.0.0.1", https_port(server)), timeout=10)
    return context.wrap_socket(sock, server_hostname=name)


def ask(sock: socket.socket, path: str = "/") -> bytes:
    """Return the body of the answer."""
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += _some(sock)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    assert length, head
    while len(body) < int(length[1]):
        body += _some(sock)
    return body


def _some(sock: socket.socket) -> bytes:
    piece = sock.recv(65536)
    assert piece, "the connection ended"
    return piece


def serial(sock: ssl.SSLSocket) -> str:
    found = sock.getpeercert()
    assert found
    return str(found["serialNumber"])


def get(server: Server, root: str | None, name: str = NAME) -> bytes:
    with shake_hands(server, root, name) as sock:
        return ask(sock)


def failures(server: Server) -> list[str]:
    """What the error log has at level error and above."""
    return [line for line in server.errors if re.search(r"\[(error|critical)\]", line)]


def test_from_an_empty_machine_to_a_verified_answer(start: Start, directory: Directory, tmp_path: Path) -> None:
    server = start("-w", "2", "--acme-email", "me@example.org")
    server.wait_for(
        "https answers with a self-signed certificate for example.org until the one that is ordered is there"
    )
    assert get(server, None) == b"hello over https"
    wait_for_certificate(server)
    assert get(server, directory.root()) == b"hello over https"
    assert failures(server) == []
    for path in (tmp_path / "st" / "acme").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    shown = subprocess.run(
        [sys.executable, "-m", "webpy.cli", "ctl", "--control", tmp_path / "ctl", "status", "--json"],
        capture_output=True,
        check=True,
    )
    assert json.loads(shown.stdout)["facts"]["certificates"][0]["names"] == [NAME]

    token, (thumbprint,) = "t" * 43, (tmp_path / "st" / "acme").rglob("thumbprint")
    answer = server.get(f"/.well-known/acme-challenge/{token}")
    assert (answer.status, answer.body) == (200, f"{token}.{thumbprint.read_text()}".encode())
    for path in ("", "short", "t" * 129, "t" * 42 + ".", "t" * 43 + "/x"):
        assert server.get(f"/.well-known/acme-challenge/{path}").body == b"hello over http", path

    server.send(signal.SIGHUP)
    server.wait_for("generation 2 serves|worker 1 gen 2 .* is ready")
    assert server.stop() == 0
    again = start()
    again.wait_for(r"worker 0 gen 1 .* is ready")
    assert get(again, directory.root()) == b"hello over https"
    assert again.stop() == 0
    ordered = [line for line in (*server.errors, *again.errors) if "acme: ordering" in line]
    assert len(ordered) == 1


def test_other_names_at_a_reload_are_another_order(start: Start, directory: Directory, tmp_path: Path) -> None:
    """With an application of WSGI, and plain requests redirected, but for the challenge."""
    settings = tmp_path / "webpy.toml"
    settings.write_text(f'acme = ["{NAME}"]')
    server = start("--https-redirect", code=WSGI)
    assert server.get("/").status == 308
    wait_for_certificate(server)
    settings.write_text(f'acme = ["{NAME}", "{OTHER}"]')
    server.send(signal.SIGHUP)
    server.wait_for("https answers with the certificate of before, for 1 of 2 names, until the one that is ordered")
    server.wait_for("acme: ordering a certificate for example.org, www.example.org from")
    wait_for_certificate(server, count=2)
    assert get(server, directory.root(), OTHER) == get(server, directory.root(), NAME) == b"hello over https"
    assert failures(server) == []


def test_a_refused_authorization(start: Start, directory: Directory) -> None:
    """Its DNS leads to another machine."""
    directory.point("elsewhere.example.org", "127.0.0.2")
    server = start("--acme", "elsewhere.example.org")
    line = server.wait_for("acme: no certificate from")
    assert "it could not verify elsewhere.example.org: connection: " in line
    assert line.endswith("; https goes on with the certificate that it has; trying again in 2 min")
    assert failures(server) == [line]
    assert get(server, None) == b"hello over https"
    server.stop()
    again = start("--acme", "elsewhere.example.org")
    again.wait_for("acme: an order failed before: the next begins at")
    assert get(again, None) == b"hello over https"


def test_a_directory_that_is_down_at_the_start(start: Start, directory: Directory) -> None:
    port = free_port()
    server = start(url=f"https://127.0.0.1:{port}/dir")
    line = server.wait_for("acme: no certificate from")
    assert line.endswith("it cannot be reached: Connection refused; https goes on with the certificate that it has;"
                         " trying again in 2 s")  # fmt: skip
    assert get(server, None) == b"hello over https"
    with Front(directory, port):
        wait_for_certificate(server)
        assert get(server, directory.root()) == b"hello over https"


def test_a_directory_that_wants_us_to_wait(start: Start, directory: Directory) -> None:
    problem = {"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many certificates"}
    limited = (429, {"Retry-After": "1", "Content-Type": "application/problem+json"}, json.dumps(problem).encode())
    answers = [limited]
    with Front(directory) as front:
        front.before = lambda path: answers.pop() if "order-plz" in path and answers else None
        server = start(url=front.url)
        line = server.wait_for("acme: no certificate from")
        assert "rateLimited: too many certificates" in line
        assert line.endswith("trying again in 1 s")
        assert get(server, None) == b"hello over https"
        wait_for_certificate(server)
        assert get(server, directory.root()) == b"hello over https"
        assert failures(server) == [line]


def test_a_sidecar_killed_in_the_middle_of_an_order(start: Start, directory: Directory) -> None:
    begun, killed = threading.Event(), threading.Event()

    def hold(path: str) -> None:
        if "order-plz" in path:
            begun.set()
            assert killed.wait(20)

    with Front(directory) as front:
        front.before = hold
        server = start(url=front.url)
        pid = re.search(r"acme \[(\d+)\] is ready", server.wait_for(r"acme \[\d+\] is ready"))
        assert pid
        assert begun.wait(20)
        os.kill(int(pid[1]), signal.SIGKILL)
        killed.set()
        assert get(server, None) == b"hello over https"
        server.wait_for(r"acme \[\d+\] is ready", count=2)
        wait_for_certificate(server)
        assert get(server, directory.root()) == b"hello over https"
        (line,) = failures(server)
        assert "killed by" in line


def test_two_servers_on_one_state_directory_order_once(start: Start, directory: Directory, tmp_path: Path) -> None:
    """The second starts while the order of the first goes on."""
    begun, both = threading.Event(), threading.Event()

    def hold(path: str) -> None:
        if "order-plz" in path:
            begun.set()
            assert both.wait(20)

    serials = set()
    with Front(directory) as front:
        front.before = hold
        one = start(url=front.url)
        assert begun.wait(20)
        other = start("--control", str(tmp_path / "ctl2"), url=front.url, http_port=0)
        both.set()
        for server in (one, other):
            wait_for_certificate(server)
            with shake_hands(server, directory.root()) as sock:
                serials.add(serial(sock))
    assert len(serials) == 1
    assert sum("acme: ordering" in line for line in (*one.errors, *other.errors)) == 1


def test_a_state_directory_that_cannot_be_made(start: Start) -> None:
    server = start(env={"STATE_DIRECTORY": "/dev/null/state"})
    server.wait_for("acme: no certificate is ordered, as it could not be kept: .*/dev/null/state")
    assert get(server, None) == b"hello over https"
    assert not any("acme: ordering" in line for line in server.errors)


@pytest.mark.needs("mount")
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_a_full_disk(start: Start, directory: Directory, tmp_path: Path) -> None:
    state = tmp_path / "st"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M", "acme", str(state)], check=True)
    try:
        with contextlib.suppress(OSError), open(state / "filler", "wb", buffering=0) as filler:
            while filler.write(bytes(4096)):
                pass
        server = start()
        line = server.wait_for("acme: no certificate from")
        assert "cannot be used: No space left on device" in line
        assert get(server, None) == b"hello over https"
        assert not any("acme: ordering" in line for line in server.errors)
        (state / "filler").unlink()
        wait_for_certificate(server)
        assert get(server, directory.root()) == b"hello over https"
        server.stop()
    finally:
        subprocess.run(["umount", "--lazy", str(state)], check=True)


def test_a_renewal_loses_nothing(start: Start, tmp_path: Path) -> None:
    """64 clients, new connections and kept ones; at the first try the directory is down."""
    with running(tmp_path, lifetime_s=20) as short, Front(short) as front:
        server = start("-w", "2", "--acme-ca", short.ca, url=front.url, http_port=short.http_port)
        server.wait_for("acme: new certificate")
        wait_for_certificate(server)
        root, over = short.root(), threading.Event()
        serials: set[str] = set()
        trouble: list[str] = []
        unavailable = [(503, {}, b"")]
        front.before = lambda path: unavailable.pop() if unavailable else None

        def visit() -> None:
            try:
                with shake_hands(server, root) as kept:
                    while not over.is_set():
                        assert ask(kept) == b"hello over https"
                        with shake_hands(server, root) as sock:
                            assert ask(sock) == b"hello over https"
                            serials.add(serial(sock))
                        over.wait(1.0)  # two cores serve and ask
            except (OSError, AssertionError) as error:
                trouble.append(f"{type(error).__name__}: {error}")

        clients = [threading.Thread(target=visit) for _ in range(64)]
        for client in clients:
            client.start()
        wait_for_certificate(server, count=2)
        deadline_s = time.monotonic() + 10
        while len(serials) < 2 and not trouble and time.monotonic() < deadline_s:
            time.sleep(0.05)
        over.set()
        for client in clients:
            client.join(20)
        assert trouble == []
        assert len(serials) == 2
        (line,) = failures(server)
        assert "answered 503 Service Unavailable; the certificate in use is valid until" in line
