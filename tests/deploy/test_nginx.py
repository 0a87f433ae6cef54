"""deploy/nginx.conf in front of a real webpy, over TCP and over a unix socket, with nginx's workers as another user."""

from __future__ import annotations

import contextlib
import http.client
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server import ROOT, Server
from tests.supervisor.masters import until

Serve = Callable[..., Server]

pytestmark = [
    pytest.mark.needs("nginx"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may run nginx's workers as another user"),
]

USER = "www-data"  # of nginx's workers on Debian
STARTED_S = 15.0
APP = """
import webpy as web

class Echo(web.HTTPHandler):
    def do_get(self):
        return 200, f"{self.request.headers['Host']} {self.request.headers['X-Forwarded-Proto']}"
    def do_post(self):
        return 200, f"{len(self.request.body)} bytes"

routes = {"/.*": Echo}
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that nginx's user may go to, as pytest's are not."""
    path = Path(tempfile.mkdtemp(prefix="webpy-nginx-"))
    path.chmod(0o755)
    (path / "app.py").write_text(APP)
    yield path
    shutil.rmtree(path)


class Nginx:
    """nginx with deploy/nginx.conf, its front a unix socket in `folder`, `upstream` in place of the port."""

    def __init__(self, folder: Path, upstream: str) -> None:
        self.folder = folder
        self.front = folder / "front"
        text = (ROOT / "deploy" / "nginx.conf").read_text()
        for before, after in (
            ("server 127.0.0.1:8000;", f"server {upstream};"),
            ("listen 80;", f"listen unix:{self.front};"),
        ):
            assert text.count(before) == 1, before
            text = text.replace(before, after)
        (folder / "webpy.conf").write_text(text)
        names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        places = "\n".join(f"    {name}_temp_path {folder}/{name};" for name in names)
        (folder / "nginx.conf").write_text(
            f"user {USER};\nworker_processes 1;\ndaemon off;\npid {folder}/nginx.pid;\n"
            f"events {{}}\nhttp {{\n    access_log off;\n{places}\n    include {folder}/webpy.conf;\n}}\n"
        )
        self.log = folder / "nginx.log"
        command = ["nginx", "-e", str(self.log), "-c", str(folder / "nginx.conf")]
        tested = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
        assert tested.returncode == 0, tested.stderr
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + STARTED_S
        while True:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(self.front))
                return
            assert self.process.poll() is None and time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.01)

    def request(self, method: str, body: bytes | None = None) -> tuple[int, bytes]:
        client = http.client.HTTPConnection("example.org", timeout=15)
        with contextlib.closing(client), socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(15)
            sock.connect(str(self.front))
            client.sock = sock
            client.request(method, "/", body=body)
            got = client.getresponse()
            return got.status, got.read()

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(15)


@pytest.fixture
def nginx() -> Iterator[Callable[[Path, str], Nginx]]:
    made: list[Nginx] = []

    def start(folder: Path, upstream: str) -> Nginx:
        made.append(Nginx(folder, upstream))
        return made[-1]

    yield start
    for each in made:
        each.close()


def documented() -> list[str]:
    """The options of nginx.conf for a unix socket, which are those of the unit too."""
    found = []
    for name in ("nginx.conf", "webpy.service"):
        (line,) = [line for line in (ROOT / "deploy" / name).read_text().splitlines() if "--bind unix:" in line]
        found.append(line.lstrip("# ").split())
    assert found[0] == found[1]
    assert found[0][:2] == ["--bind", "unix:/run/webpy/webpy.sock"]
    return found[0][2:]


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("options", [documented(), ["--socket-mode", "666"]], ids=["documented", "everybody"])
def test_over_a_unix_socket(
    serve: Serve, folder: Path, nginx: Callable[[Path, str], Nginx], options: list[str], workers: str
) -> None:
    bind = f"unix:{folder}/webpy.sock"
    serve(folder / "app.py", *options, "--umask", "027", "--workers", workers, bind=bind)
    front = nginx(folder, bind)
    assert front.request("GET") == (200, b"example.org http"), front.log.read_text()
    assert front.request("POST", b"x" * 1_000_000) == (200, b"1000000 bytes")


def test_over_tcp(serve: Serve, folder: Path, nginx: Callable[[Path, str], Nginx]) -> None:
    server = serve(folder / "app.py", "--workers", "1")
    front = nginx(folder, "{}:{}".format(*server.address))
    assert front.request("GET") == (200, b"example.org http")


def test_without_the_options_nginx_may_not_connect(
    serve: Serve, folder: Path, nginx: Callable[[Path, str], Nginx]
) -> None:
    """What the comments of nginx.conf say would happen; if this fails, they, and the options there, are out of date."""
    bind = f"unix:{folder}/webpy.sock"
    serve(folder / "app.py", "--umask", "022", bind=bind)
    front = nginx(folder, bind)
    assert front.request("GET")[0] == 502
    assert "Permission denied" in front.log.read_text()


def test_the_workers_of_nginx_are_another_user(folder: Path, nginx: Callable[[Path, str], Nginx]) -> None:
    """Else these tests would prove nothing."""
    front = nginx(folder, f"unix:{folder}/nothing")
    children = Path(f"/proc/{front.process.pid}/task/{front.process.pid}/children")

    def owners() -> set[int]:
        return {Path(f"/proc/{pid}").stat().st_uid for pid in children.read_text().split()}

    # the socket is there before nginx has forked, and a new worker is root's for a moment
    until(lambda: owners() == {pwd.getpwnam(USER).pw_uid}, "workers of another user")
