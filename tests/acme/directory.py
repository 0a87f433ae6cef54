"""A real ACME directory for tests: pebble, with a DNS server that gives 127.0.0.1 for every name; and a proxy before it
that has the faults which pebble cannot have.

Owns the processes and threads that it starts, and ends them. Tests that use it carry `@pytest.mark.needs("pebble")`;
Debian's package pebble brings pebble-challtestsrv too.
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import os
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import trustme

from tests.services import free_port

__all__ = ["Directory", "Front", "running"]

START_S = 20.0
_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "host"}


class Directory:
    """A running pebble. url: of its directory; http_port: where it asks for proofs; ca: path of the certificate of the
    authority that signed its own."""

    def __init__(self, ports: Mapping[str, int], folder: Path, authority: trustme.CA) -> None:
        self.url = f"https://127.0.0.1:{ports['acme']}/dir"
        self.http_port = ports["http"]
        self.ports = ports
        self.ca = str(folder / "ca.pem")
        self.authority = authority
        self._dns = f"http://127.0.0.1:{ports['dns-control']}"

    def root(self) -> str:
        """The certificate (PEM) of the root that it issues under."""
        context = ssl.create_default_context(cafile=self.ca)
        url = f"https://127.0.0.1:{self.ports['control']}/roots/0"
        with urllib.request.urlopen(url, context=context, timeout=10) as answer:
            return str(answer.read().decode())

    def point(self, name: str, address: str) -> None:
        """Have the DNS say that `name` has `address`."""
        body = json.dumps({"host": f"{name}.", "addresses": [address]}).encode()
        urllib.request.urlopen(f"{self._dns}/add-a", body, timeout=10).close()


@contextlib.contextmanager
def running(folder: Path, *, lifetime_s: int = 90 * 86400) -> Iterator[Directory]:
    """Runs a pebble whose certificates live so long, and which refuses a third of good nonces."""
    authority = trustme.CA()
    own = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    own.private_key_and_cert_chain_pem.write_to_path(str(folder / "own.pem"))
    ports = {name: free_port() for name in ("acme", "control", "tls", "dns", "dns-control")}
    # one server after the other listens there, and no connection of another test may get the port in between
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    ports["http"] = held.getsockname()[1]
    config = {
        "listenAddress": f"127.0.0.1:{ports['acme']}",
        "managementListenAddress": f"127.0.0.1:{ports['control']}",
        "certificate": str(folder / "own.pem"),
        "privateKey": str(folder / "own.pem"),
        "httpPort": ports["http"],
        "tlsPort": ports["tls"],
        "certificateValidityPeriod": lifetime_s,
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": config}))
    dns = ["pebble-challtestsrv", "-dns01", f"127.0.0.1:{ports['dns']}", "-defaultIPv6", ""]
    dns += [*("-http01", ""), *("-https01", ""), *("-tlsalpn01", "")]
    dns += ["-management", f"127.0.0.1:{ports['dns-control']}"]
    pebble = ["pebble", "-config", str(folder / "pebble.json"), "-dnsserver", f"127.0.0.1:{ports['dns']}"]
    # the nonces, and proofs that are asked for again or not (RFC 8555 7.1.3), at random, as pebble does by default
    faults = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "33", "PEBBLE_AUTHZREUSE": "50"}
    with (
        held,
        _process(dns, {}, folder / "dns.log", ports["dns-control"]),
        _process(pebble, faults, folder / "pebble.log", ports["acme"], ports["control"]),
    ):
        yield Directory(ports, folder, authority)


@contextlib.contextmanager
def _process(command: list[str], environment: Mapping[str, str], log: Path, *ports: int) -> Iterator[None]:
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        ) as process,
    ):
        try:
            deadline_s = time.monotonic() + START_S
            while not all(_answers(port) for port in ports):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline_s, log.read_text()
                time.sleep(0.01)
            yield
        finally:
            process.kill()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class Front:
    """A proxy before a directory, at a port of its own. `before` is called with the path of each request that comes in;
    it may return an answer (status, fields, body) that stands in place of the directory's, and it may wait."""

    def __init__(self, directory: Directory, port: int = 0) -> None:
        front = self
        self.before: Callable[[str], tuple[int, dict[str, str], bytes] | None] = lambda path: None

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                status, fields, content = front.before(self.path) or front.forward(self, body)
                self.send_response(status)
                for name, value in fields.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_POST = do_HEAD = answer

            def log_message(self, *_: object) -> None:
                pass

        self._directory = directory
        self._context = ssl.create_default_context(cafile=directory.ca)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        directory.authority.issue_cert("127.0.0.1").configure_cert(context)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{self._server.server_port}/dir"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def forward(self, request: http.server.BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Have the directory answer."""
        port = self._directory.ports["acme"]
        with contextlib.closing(
            http.client.HTTPSConnection("127.0.0.1", port, context=self._context, timeout=20)
        ) as to:
            fields = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
            to.request(request.command, request.path, body, {**fields, "Host": request.headers["Host"]})
            answer = to.getresponse()
            given = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP}
            return answer.status, given, answer.read()

    def __enter__(self) -> Front:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
