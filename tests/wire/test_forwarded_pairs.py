"""Trusted proxies together with what else may happen: heads that differ in many fields, HTTP/1.0, a log whose disk is
full, the end of the master."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server import Server

from .client import Client, get, until

APP = Path(__file__).parent / "apps" / "forwarded.py"
PROXY, STRANGER = "127.0.0.2", "127.0.0.3"

Serve = Callable[..., Server]


@pytest.fixture(scope="module", params=["1", "2"], ids=["one worker", "two workers"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    cwd = tmp_path_factory.mktemp("pairs")
    server = Server(APP, "--workers", request.param, "--forwarded-allow-ips", f"{PROXY},10.0.0.0/8", cwd=cwd)
    try:
        server.wait_until_listening()
        yield server
    finally:
        server.kill()


def nginx(number: int, client: str) -> list[str]:
    """What nginx sends: three fields that are new with each request."""
    own = f"10.1.{number // 256}.{number % 256}"
    return [
        f"X-Real-IP: {own}",
        f"X-Forwarded-For: {client}",
        f"X-Forwarded-Proto: {'https' if number % 2 else 'http'}",
        f"X-Request-ID: {number:032x}",
    ]


@pytest.mark.parametrize("path", ["/", "/waiting", "/wsgi/x", "/objects/"])
def test_each_request_is_its_own_where_every_head_is_another(server: Server, path: str) -> None:
    with Client(server, source=PROXY) as proxy, Client(server, source=STRANGER) as stranger:
        for number in range(60):
            client = f"203.0.113.{number % 7}" if number % 3 else f"198.51.100.{number}"
            said = proxy.ask(path, *nginx(number, client)).text
            scheme = "https" if number % 2 else "http"
            assert re.match(rf"{re.escape(client)} 0 {scheme}\b", said), said
            assert stranger.ask(path, *nginx(number, client)).text.startswith(f"{STRANGER} ")


def test_http_1_0_with_and_without_keep_alive(server: Server) -> None:
    for number in range(6):
        with Client(server, source=PROXY) as proxy:
            for again in range(3):
                client = f"203.0.113.{10 * number + again}"
                reply = proxy.ask("/", "Connection: keep-alive", *nginx(number, client), version="HTTP/1.0")
                assert (reply.text.split()[0], reply.get("Connection")) == (client, "keep-alive")
            reply = proxy.ask("/", *nginx(number, "192.0.2.1"), version="HTTP/1.0")
            assert reply.text.startswith("192.0.2.1 0 ")
            proxy.ended()
        with Client(server, source=STRANGER) as stranger:
            assert stranger.ask("/", *nginx(number, "192.0.2.1"), version="HTTP/1.0").text.startswith(STRANGER)
            stranger.ended()


def test_a_body_behind_a_head_that_is_new(server: Server) -> None:
    with Client(server, source=PROXY) as proxy:
        for number in range(12):
            client = f"203.0.113.{number}"
            for path in ("/", "/streaming"):
                reply = proxy.ask(path, *nginx(number, client), method="POST", body=b"x" * (number + 1))
                assert reply.text.split()[0] == client


def test_a_full_disk_of_the_access_log_costs_records_and_no_answer(serve: Serve, tmp_path: Path) -> None:
    """The master may write no byte more to a file; when it may again, the log has the clients that come then."""
    log = tmp_path / "access.log"
    server = serve(APP, "--workers", "1", "--forwarded-allow-ips", PROXY, "--access-log", str(log))
    with Client(server, source=PROXY) as proxy:
        proxy.ask("/", *nginx(0, "192.0.2.100"))
        until(lambda: b"192.0.2.100 - - " in log.read_bytes(), "the first record is there")
        before = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (log.stat().st_size, before[1]))
        try:
            for number in range(200):
                client = f"203.0.113.{number}"
                assert proxy.ask("/", *nginx(number, client)).text.split()[0] == client
            server.wait_for(r"access log|access\.log", server.errors)
        finally:
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, before)
        assert proxy.ask("/", *nginx(1, "192.0.2.101")).text.split()[0] == "192.0.2.101"
        until(lambda: b"192.0.2.101 - - " in log.read_bytes(), "it is written again")
    for line in log.read_text().splitlines():
        assert re.match(r'(192\.0\.2\.10[01]|203\.0\.113\.\d+) - - \[.*"GET / HTTP/1\.1" 200 ', line), line


def test_the_end_of_the_master_ends_the_proxy_s_connections(serve: Serve) -> None:
    server = serve(APP, "--workers", "2", "--forwarded-allow-ips", PROXY)
    with Client(server, source=PROXY) as proxy, socket.create_connection(server.address, 10, (PROXY, 0)) as begun:
        assert proxy.ask("/", *nginx(1, "192.0.2.1")).text.startswith("192.0.2.1 ")
        begun.sendall(get("/", *nginx(2, "192.0.2.2"))[:-2])
        os.kill(server.pid, signal.SIGKILL)
        proxy.ended()
        with contextlib.suppress(ConnectionResetError):
            assert begun.recv(1) == b""
    server.process.wait(10)
    until(lambda: not server.processes(), "nothing is left")
