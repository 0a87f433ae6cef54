"""nginx and HAProxy themselves before webpy, alone and in chains, set up as docs/behind-a-proxy.md says.

Each process has an address of its own in 127.0.0.0/8, so that a log tells one from the other.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from tests.docs.pages import DOCS, blocks
from tests.server import Server

pytestmark = [pytest.mark.slow, pytest.mark.needs("nginx", "haproxy")]

Serve = Callable[..., Server]

CLIENT = "127.0.0.9"
NGINX, HAPROXY = "127.0.0.20", "127.0.0.30"  # where they connect from
STARTED_S = 15.0
APP = """
import webpy, webpy.wsgi

class Who(webpy.HTTPHandler):
    def do_get(self):
        request = self.request
        return 200, f"{request.client_address[0]} {request.scheme} {request.host} by {request.peer_address[0]}"

def app(environ, start_response):
    start_response("200 OK", [])
    names = "REMOTE_ADDR", "wsgi.url_scheme", "HTTP_HOST"
    return [" ".join(environ[name] for name in names).encode()]

routes = {"/": Who, **webpy.wsgi.new(app, "/wsgi")}
"""
SPOOFED = {
    "X-Forwarded-For": "6.6.6.6, 127.0.0.20",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "666",
    "Forwarded": 'for=6.6.6.6;host=evil.example;proto=https, for="127.0.0.20',
}


def documented(kind: str) -> str:
    (block,) = [each for each in blocks(DOCS / "behind-a-proxy.md") if each.kind == kind and not each.title]
    return block.text


class Proxy:
    """A proxy with a configuration file, which listens at `address`."""

    def __init__(self, command: list[str], config: Path, port: int) -> None:
        self.address = ("127.0.0.1", port)
        self.log = open(config.with_suffix(".log"), "w+")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + STARTED_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(self.address, 1):
                return
            self.log.seek(0)
            assert self.process.poll() is None and time.monotonic() < deadline, self.log.read()
            time.sleep(0.01)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(15)
        self.log.close()

    def ask(self, path: str = "/", tls: ssl.SSLContext | None = None, **more: str) -> str:
        """Return the answer to a client at CLIENT. more: fields."""
        client = http.client.HTTPConnection(*self.address, timeout=15, source_address=(CLIENT, 0))
        if tls is not None:
            client = http.client.HTTPSConnection(*self.address, timeout=15, source_address=(CLIENT, 0), context=tls)
        with contextlib.closing(client):
            client.request("GET", path, headers={"Host": "example.org", **more})
            answer = client.getresponse()
            body = answer.read().decode()
            assert answer.status == 200, body
            return body


class Proxies:
    """Starts proxies in a folder that other users may read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[Proxy] = []
        self._authority = trustme.CA()
        pem = self._authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem
        pem.write_to_path(str(folder / "front.pem"))
        self.tls = ssl.create_default_context()
        self._authority.configure_trust(self.tls)

    def nginx(self, upstream: str, tls: bool = False, **changes: str) -> Proxy:
        """upstream: of `proxy_pass`; changes: what stands for documented lines, which are named by their field."""
        port = _free_port()
        listen = f"listen 127.0.0.1:{port}{' ssl' if tls else ''};"
        if tls:
            listen += f"\n    ssl_certificate {self.folder}/front.pem; ssl_certificate_key {self.folder}/front.pem;"
        text = _replaced(documented("nginx"), "listen 80;", listen)
        source = "" if "unix:" in upstream else f" proxy_bind {NGINX};"
        text = _replaced(text, "proxy_pass http://127.0.0.1:8000;", f"proxy_pass {upstream};{source}")
        for before, after in changes.items():
            (line,) = [line for line in text.splitlines() if before.replace("_", "-") in line.split()]
            text = text.replace(line, after)
        place = Path(tempfile.mkdtemp(dir=self.folder))
        names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        places = "\n".join(f"    {name}_temp_path {place}/{name};" for name in names)
        config = place / "nginx.conf"
        config.write_text(
            f"worker_processes 1;\ndaemon off;\npid {place}/nginx.pid;\n{'user root;' if os.geteuid() == 0 else ''}\n"
            f"events {{}}\nhttp {{\n    access_log off;\n{places}\n{text}\n}}\n"
        )
        return self._start(["nginx", "-e", str(place / "error.log"), "-c", str(config)], config, port)

    def haproxy(self, upstream: str, tls: bool = False, forwarded: str = "del-header Forwarded") -> Proxy:
        """upstream: of `server`; forwarded: what to do with that field."""
        port = _free_port()
        ssl_options = f" ssl crt {self.folder}/front.pem" if tls else ""
        text = _replaced(documented("haproxy"), "bind :80\n", f"bind 127.0.0.1:{port}{ssl_options}\n")
        text = _replaced(text, "http-request del-header Forwarded\n", f"http-request {forwarded}\n")
        source = "" if upstream.startswith("unix@") else f" source {HAPROXY}"
        text = _replaced(text, "server webpy 127.0.0.1:8000", f"server webpy {upstream}{source}")
        config = Path(tempfile.mkdtemp(dir=self.folder)) / "haproxy.cfg"
        config.write_text(
            "defaults\n    mode http\n    timeout connect 15s\n    timeout client 15s\n    timeout server 15s\n" + text
        )
        return self._start(["haproxy", "-db", "-f", str(config)], config, port)

    def _start(self, command: list[str], config: Path, port: int) -> Proxy:
        self._started.append(Proxy(command, config, port))
        return self._started[-1]

    def close(self) -> None:
        for each in self._started:
            each.close()


def _replaced(text: str, before: str, after: str) -> str:
    assert text.count(before) == 1, before
    return text.replace(before, after)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def proxies() -> Iterator[Proxies]:
    folder = Path(tempfile.mkdtemp(prefix="webpy-proxies-"))
    folder.chmod(0o755)
    (folder / "app.py").write_text(APP)
    made = Proxies(folder)
    yield made
    made.close()
    shutil.rmtree(folder)


def start(serve: Serve, proxies: Proxies, trusted: str, *options: str, **more: str) -> Server:
    return serve(proxies.folder / "app.py", "--forwarded-allow-ips", trusted, *options, **more)


def url_of(server: Server) -> str:
    return "http://{}:{}".format(*server.address)


def check(front: Proxy, scheme: str, peer: str, tls: ssl.SSLContext | None = None) -> None:
    """The client, its scheme and its host are right, whatever it says of itself."""
    for fields in ({}, SPOOFED, *({name: value} for name, value in SPOOFED.items())):
        for _ in range(2):
            assert front.ask(tls=tls, **fields) == f"{CLIENT} {scheme} example.org by {peer}", fields
            assert front.ask("/wsgi/", tls=tls, **fields) == f"{CLIENT} {scheme} example.org", fields


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_nginx(serve: Serve, proxies: Proxies, tls: bool, workers: str) -> None:
    server = start(serve, proxies, NGINX, "--workers", workers)
    front = proxies.nginx(url_of(server), tls)
    check(front, "https" if tls else "http", NGINX, proxies.tls if tls else None)
    server.wait_for(rf"^{CLIENT} - - ", server.log)
    assert not any(line.startswith(NGINX) or "6.6.6.6" in line.partition(" ")[0] for line in server.log)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_haproxy(serve: Serve, proxies: Proxies, tls: bool) -> None:
    server = start(serve, proxies, HAPROXY, "--workers", "2")
    front = proxies.haproxy("{}:{}".format(*server.address), tls)
    check(front, "https" if tls else "http", HAPROXY, proxies.tls if tls else None)


def test_over_unix_sockets(serve: Serve, proxies: Proxies) -> None:
    path = proxies.folder / "webpy.sock"
    start(serve, proxies, "unix", "--workers", "1", "--socket-mode", "666", bind=f"unix:{path}")
    check(proxies.nginx(f"http://unix:{path}:"), "http", "unix")
    check(proxies.haproxy(f"unix@{path}", tls=True), "https", "unix", proxies.tls)


def test_haproxy_before_nginx(serve: Serve, proxies: Proxies) -> None:
    """The outer proxy speaks TLS; the inner one adds to -For, and passes -Proto on."""
    server = start(serve, proxies, f"{NGINX},{HAPROXY}", "--workers", "2")
    inner = proxies.nginx(url_of(server), X_Forwarded_Proto="")
    outer = proxies.haproxy("{}:{}".format(*inner.address), tls=True)
    check(outer, "https", NGINX, proxies.tls)


def test_nginx_before_haproxy(serve: Serve, proxies: Proxies) -> None:
    """Both set -Proto as documented: the inner one says how the outer one has reached it, and its word counts."""
    network = "127.0.0.16/28"  # of NGINX and HAPROXY, and not of CLIENT
    server = start(serve, proxies, network, "--workers", "1", "--forwarded-header", "x-forwarded")
    inner = proxies.haproxy("{}:{}".format(*server.address))
    outer = proxies.nginx("http://{}:{}".format(*inner.address), tls=True)
    assert outer.ask(tls=proxies.tls, **SPOOFED) == f"{CLIENT} http example.org by {HAPROXY}"


def test_an_outer_proxy_that_is_not_trusted_is_the_client(serve: Serve, proxies: Proxies) -> None:
    server = start(serve, proxies, HAPROXY, "--workers", "1")
    inner = proxies.haproxy("{}:{}".format(*server.address))
    outer = proxies.nginx("http://{}:{}".format(*inner.address))
    assert outer.ask(**SPOOFED) == f"{NGINX} http example.org by {HAPROXY}"


def test_a_proxy_that_says_it_as_rfc_7239_does(serve: Serve, proxies: Proxies) -> None:
    """HAProxy 2.8 has an option for that; Debian's needs rules."""
    server = start(serve, proxies, HAPROXY, "--workers", "1", "--forwarded-header", "forwarded")
    rule = "add-header Forwarded for=%[src];proto=https;host=%[req.hdr(host)]"
    front = proxies.haproxy("{}:{}".format(*server.address), forwarded=rule)
    check(front, "https", HAPROXY)


def test_without_the_documented_lines_a_client_gets_through(serve: Serve, proxies: Proxies) -> None:
    """What the page says of them; if this fails, the lines are not needed any more."""
    server = start(serve, proxies, NGINX, "--workers", "1")
    front = proxies.nginx(url_of(server), X_Forwarded_Host="", Forwarded="")
    assert "evil.example" in front.ask(**{"X-Forwarded-Host": "evil.example"})
    assert front.ask(Forwarded="for=6.6.6.6") == f"{NGINX} http example.org by {NGINX}"  # they disagree
