"""`--min-body-rate` on the wire, with its grace of 10 s: what moves, but too slowly, is ended; what is not the client's
fault is not."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

from tests.server import Server
from webpy.supervisor.control.client import ControlClient

from .client import Client, get

pytestmark = pytest.mark.slow  # the grace is waited for

RATE = 40_000
STEP_S = 0.25
LATEST_S = 25.0
UPLOADS = [(path, framing) for path in ("/gather", "/stream") for framing in ("length", "chunked")]
LARGE_BYTES = 16 << 20


@pytest.fixture(params=["plain", "tls"])
def server(request: pytest.FixtureRequest, start: Callable[..., Server], tmp_path: Path) -> Iterator[Server]:
    options = ["--workers", "1", "--min-body-rate", str(RATE), "--max-body", "32M", "--control", "control"]
    authority = trustme.CA()
    if request.param == "tls":
        chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
        certificate = authority.issue_cert("localhost")
        key.write_bytes(certificate.private_key_pem.bytes())
        chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
        options += ["--certfile", str(chain), "--keyfile", str(key)]
    found = start("rates", *options)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    yield found


def connect(server: Server, tmp_path: Path, **keywords: int) -> Client:
    tls = ssl.create_default_context(cafile=str(tmp_path / "ca.pem")) if server.scheme == "https" else None
    client = Client(server, timeout=30, tls=tls, **keywords)
    assert client.ask("/gather", method="POST", body=b"x").text == "1"  # TLS 1.3 has sent its tickets then
    return client


def timeouts(server: Server) -> int:
    with ControlClient(server.cwd / "control") as control:
        count: int = control.ask("status")["status"]["totals"]["timeouts"]
        return count


def test_slow_clients_are_ended_and_slow_handlers_are_not(server: Server, tmp_path: Path) -> None:
    began = time.monotonic()
    with ExitStack() as stack:
        uploads = [stack.enter_context(connect(server, tmp_path)) for _ in UPLOADS]
        for client, (path, framing) in zip(uploads, UPLOADS, strict=True):
            field = f"Content-Length: {1 << 20}" if framing == "length" else "Transfer-Encoding: chunked"
            client.send(get(path, field, method="POST"))
        readers = [stack.enter_context(connect(server, tmp_path, receive_buffer_bytes=4096)) for _ in range(3)]
        for client, kind in zip(readers, ("memory", "file", "pieces"), strict=True):
            client.send(get(f"/large/{kind}"))
        drip, fast = stack.enter_context(connect(server, tmp_path)), stack.enter_context(connect(server, tmp_path))
        drip.send(get("/drip"))
        fast.send(get("/gather", f"Content-Length: {4 << 20}", method="POST"))
        sent, step, late = 0, 0, list(zip(uploads, UPLOADS, strict=True))
        ended: list[Client] = []
        while late or len(ended) < len(readers):
            assert time.monotonic() - began < LATEST_S, f"{len(late)} uploads, {len(readers) - len(ended)} answers"
            time.sleep(STEP_S)
            for client, (_, framing) in list(late):
                if client.comes_within(0):
                    assert time.monotonic() - began > 10.0
                    reply = client.read()
                    assert (reply.status, reply.get("Connection")) == (408, "close")
                    assert reply.text == f"the request's body came slower than {RATE} bytes a second\n"
                    late = [each for each in late if each[0] is not client]
                else:
                    client.send(b"1\r\nx\r\n" if framing == "chunked" else b"x")
            step += 1
            for client in readers if step % 4 == 0 else ():
                if client not in ended:
                    try:
                        client.take(1000)  # some KB
                    except (OSError, AssertionError):
                        assert time.monotonic() - began > 10.0
                        ended.append(client)
            if sent < 4 << 20:
                fast.send(bytes(20_000))
                sent += 20_000
        with contextlib.suppress(OSError):
            while sent < 4 << 20:
                fast.send(bytes(min(100_000, (4 << 20) - sent)))
                sent += min(100_000, (4 << 20) - sent)
        assert fast.read().text == str(4 << 20)
        assert drip.read().body == b"x" * 26
    assert timeouts(server) == len(UPLOADS) + len(readers)
    lines = [line for line in server.log if "/large/" in line]
    assert len(lines) == len(readers)
    assert all(int(line.partition('" 200 ')[2].split()[0]) < LARGE_BYTES for line in lines)
    assert not any("[error]" in line for line in server.errors)
