"""HAProxy and nginx themselves, passing on bytes and telling the client by the PROXY protocol, set up as
docs/behind-a-proxy.md says; with health checks, over TCP and unix sockets, with TLS at either end."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, blocks
from tests.server import Server

from .test_proxies import APP, CLIENT, HAPROXY, NGINX, SPOOFED, Proxies, Proxy, _free_port, _replaced

STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so"

pytestmark = [pytest.mark.slow, pytest.mark.needs("nginx", "haproxy", STREAM)]

Serve = Callable[..., Server]


def documented(title: str) -> str:
    (block,) = [each for each in blocks(DOCS / "behind-a-proxy.md") if each.title == title]
    return block.text


class Relaying(Proxies):
    """Starts proxies that pass on bytes, in a folder that other users may read."""

    def haproxy(self, upstream: str, options: str = "send-proxy-v2", front: str = "", back: str = "") -> Proxy:
        """upstream: of `server`; options: in place of `send-proxy-v2`; front: more of `bind`; back: of the backend."""
        port = _free_port()
        text = _replaced(documented("haproxy.cfg"), "bind :443\n", f"bind 127.0.0.1:{port}{front}\n")
        text = _replaced(text, "backend webpy\n    mode tcp\n", f"backend webpy\n    mode tcp\n{back}")
        source = "" if upstream.startswith("unix@") else f" source {HAPROXY}"
        text = _replaced(text, "127.0.0.1:8000 send-proxy-v2 ", f"{upstream}{source} {options} ")
        config = Path(tempfile.mkdtemp(dir=self.folder)) / "haproxy.cfg"
        times = "\n".join(f"    timeout {name} 15s" for name in ("connect", "client", "server"))
        config.write_text(f"defaults\n{times}\n{text}")
        return self._start(["haproxy", "-db", "-f", str(config)], config, port)

    def stream(self, upstream: str) -> Proxy:
        """nginx's stream module."""
        port = _free_port()
        text = _replaced(documented("nginx.conf"), "listen 443;", f"listen 127.0.0.1:{port};")
        source = "" if upstream.startswith("unix:") else f" proxy_bind {NGINX};"
        text = _replaced(text, "proxy_pass 127.0.0.1:8000;", f"proxy_pass {upstream};{source}")
        place = Path(tempfile.mkdtemp(dir=self.folder))
        config = place / "nginx.conf"
        config.write_text(
            f"load_module {STREAM};\nworker_processes 1;\ndaemon off;\npid {place}/nginx.pid;\n"
            f"{'user root;' if os.geteuid() == 0 else ''}\nevents {{}}\n{text}\n"
        )
        return self._start(["nginx", "-e", str(place / "error.log"), "-c", str(config)], config, port)


@pytest.fixture
def proxies() -> Iterator[Relaying]:
    folder = Path(tempfile.mkdtemp(prefix="webpy-relaying-"))
    folder.chmod(0o755)
    (folder / "app.py").write_text(APP)
    made = Relaying(folder)
    yield made
    made.close()
    shutil.rmtree(folder)


def start(serve: Serve, proxies: Relaying, *options: str, **more: str) -> Server:
    trusted = f"{NGINX},{HAPROXY},unix"
    target = proxies.folder / "app.py"
    return serve(target, "--forwarded-allow-ips", trusted, "--proxy-protocol", "on", *options, **more)


def check(front: Proxy, scheme: str, peer: str, tls: object = None) -> None:
    """The client is right, whatever it says of itself: of its host, it says what it wants."""
    for fields in ({}, SPOOFED):
        for _ in range(2):
            assert front.ask(tls=tls, **fields) == f"{CLIENT} {scheme} example.org by {peer}"
            assert front.ask("/wsgi/", tls=tls, **fields) == f"{CLIENT} {scheme} example.org"


@pytest.mark.parametrize("options", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"])
def test_haproxy(serve: Serve, proxies: Relaying, options: str) -> None:
    server = start(serve, proxies, "--workers", "2")
    check(proxies.haproxy("{}:{}".format(*server.address), options), "http", HAPROXY)
    server.wait_for(rf"^{CLIENT} - - ", server.log, count=8)
    assert not any(each.startswith(HAPROXY) for each in server.log)
    assert not any("closed a connection" in each for each in server.errors)


def test_haproxy_that_has_the_certificate(serve: Serve, proxies: Relaying) -> None:
    """It tells that the client used HTTPS, if it is asked to."""
    server = start(serve, proxies, "--workers", "1")
    front = f" ssl crt {proxies.folder}/front.pem"
    upstream = "{}:{}".format(*server.address)
    check(proxies.haproxy(upstream, "send-proxy-v2-ssl", front), "https", HAPROXY, proxies.tls)
    check(proxies.haproxy(upstream, "send-proxy-v2", front), "http", HAPROXY, proxies.tls)


@pytest.mark.parametrize("which", ["haproxy", "nginx"])
def test_tls_through_the_proxy(serve: Serve, proxies: Relaying, which: str) -> None:
    server = start(serve, proxies, "--workers", "1", "--certfile", str(proxies.folder / "front.pem"))
    upstream = "{}:{}".format(*server.address)
    front = proxies.haproxy(upstream) if which == "haproxy" else proxies.stream(upstream)
    check(front, "https", HAPROXY if which == "haproxy" else NGINX, proxies.tls)


def test_nginx(serve: Serve, proxies: Relaying) -> None:
    server = start(serve, proxies, "--workers", "2")
    check(proxies.stream("{}:{}".format(*server.address)), "http", NGINX)


def test_fields_through_a_balancer(serve: Serve, proxies: Relaying) -> None:
    """nginx adds fields, and HAProxy passes them on as bytes: they count, as its header names nginx."""
    server = start(serve, proxies, "--workers", "2")
    balancer = proxies.haproxy("{}:{}".format(*server.address))
    front = proxies.nginx("http://{}:{}".format(*balancer.address), tls=True)
    check(front, "https", HAPROXY, proxies.tls)
    assert balancer.ask(**SPOOFED) == f"{CLIENT} http example.org by {HAPROXY}"  # who goes round nginx is not believed


def test_two_haproxies_in_a_row(serve: Serve, proxies: Relaying) -> None:
    """The inner one tells on what the outer one has told it."""
    server = start(serve, proxies, "--workers", "1")
    inner = proxies.haproxy("{}:{}".format(*server.address), front=" accept-proxy")
    check(proxies.haproxy("{}:{}".format(*inner.address), "send-proxy"), "http", HAPROXY)


def test_over_unix_sockets(serve: Serve, proxies: Relaying) -> None:
    path = proxies.folder / "webpy.sock"
    start(serve, proxies, "--workers", "1", "--socket-mode", "666", bind=f"unix:{path}")
    check(proxies.stream(f"unix:{path}"), "http", "unix")
    for options in ("send-proxy", "send-proxy-v2"):
        check(proxies.haproxy(f"unix@{path}", options), "http", "unix")


@pytest.mark.parametrize("options", ["send-proxy", "send-proxy-v2"])
def test_health_checks(serve: Serve, proxies: Relaying, options: str) -> None:
    """They are requests of HAProxy's own, which sends no others while they fail."""
    server = start(serve, proxies, "--workers", "1")
    asks = "    option httpchk GET /\n    http-check send hdr Host check.example\n"
    front = proxies.haproxy("{}:{}".format(*server.address), f"{options} inter 50ms", back=asks)
    server.wait_for(rf'^{HAPROXY} - - .*"GET / HTTP/1\.\d" 200 ', server.log, count=3)
    check(front, "http", HAPROXY)
    assert not any("closed a connection" in each for each in server.errors)
