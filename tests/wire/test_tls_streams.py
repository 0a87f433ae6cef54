"""Bodies that are read while they arrive, under TLS: what `stream = True` promises, and that no two threads are in a
connection at once."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.server import Server

from .certificates import Pairs
from .client import Client, get, until

LARGE = bytes(range(256)) * (12 << 10)
TEXT = "grüße, 世界\n".encode()
KINDS = ["all", "length", "none", "part", "pieces", "later"]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    found = Pairs(tmp_path_factory.mktemp("tls"))
    found.issue("site", "localhost")
    return found


@pytest.fixture(scope="module")
def server(share: Callable[..., Server], pairs: Pairs) -> Server:
    return share("framework", "--workers", "1", "--threads", "4", "--max-body", "32M", *pairs.options("site"))


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def context(request: pytest.FixtureRequest, pairs: Pairs) -> ssl.SSLContext:
    found = pairs.context()
    found.minimum_version = found.maximum_version = request.param
    return found


def progress(client: Client) -> list[str]:
    found: list[str] = json.loads(client.ask("/aside").body)["progress"]
    return found


def test_a_handler_reads_while_the_body_arrives(server: Server, context: ssl.SSLContext) -> None:
    with Client(server, tls=context) as client, Client(server, tls=context) as other:
        other.ask("/aside?clear")
        client.send(get("/streamed/lines", "Content-Length: 12", method="POST"))
        for number, line in enumerate((b"one\n", b"two\n", b"six\n"), 1):
            assert not client.has_data
            client.send(line)
            until(lambda number=number: len(progress(other)) == number, f"{number} lines read")
        assert client.read().text == "3 lines"
        assert client.ask("/body/str").body == TEXT
        assert progress(other) == ["one", "two", "six"]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_and_a_request_behind_it(server: Server, context: ssl.SSLContext, chunked: bool) -> None:
    with Client(server, tls=context) as client:
        if chunked:
            client.send(get("/streamed/digest", "Transfer-Encoding: chunked", "Expect: 100-continue", method="POST"))
            assert client.read().status == 100
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(LARGE), LARGE)
        else:
            client.send(get("/streamed/digest", f"Content-Length: {len(LARGE)}", method="POST"))
            body = LARGE
        client.send(body + get("/body/str"))  # the records of the one end inside the other
        assert client.read().text == hashlib.sha256(LARGE).hexdigest()
        assert client.read().body == TEXT


def test_a_handler_that_does_not_read_answers_at_once(server: Server, context: ssl.SSLContext) -> None:
    with Client(server, tls=context) as client:
        client.send(get("/streamed/unread", "Content-Length: 2000000", method="POST"))
        reply = client.read()
        assert (reply.status, reply.text, reply.get("Connection")) == (403, "no, thank you\n", "close")
        for _ in range(10):
            client.send(bytes(100_000))
        client.ended()


@pytest.mark.parametrize("leave", [Client.end_sending, Client.reset])
def test_a_handler_whose_client_goes_is_told(
    server: Server, context: ssl.SSLContext, leave: Callable[[Client], None]
) -> None:
    with Client(server, tls=context) as other:
        other.ask("/aside?clear")
        with Client(server, tls=context) as client:
            client.send(get("/streamed/broken", "Content-Length: 100", method="POST") + b"half")
            leave(client)
            until(lambda: progress(other) == ["broken off"], "the handler's read raised")
    assert not any("Traceback" in line for line in server.errors)


def test_an_answer_that_reads_the_body_after_the_handler_returned_breaks_off(
    server: Server, context: ssl.SSLContext
) -> None:
    with Client(server, tls=context) as client:
        client.send(get("/streamed/lazy", "Content-Length: 100", method="POST") + b"line\n")
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            client.rest()


@pytest.mark.slow
def test_a_client_that_is_ahead_of_its_handler_waits(server: Server, context: ssl.SSLContext) -> None:
    with Client(server, tls=context, timeout=20) as client:
        client.send(get("/streamed/slowly", f"Content-Length: {4 * len(LARGE)}", method="POST"))
        for _ in range(4):
            client.send(LARGE)
        client.send(get("/body/str"))
        assert client.read().text == str(4 * len(LARGE))
        assert client.read().body == TEXT


@pytest.mark.slow
def test_an_upload_does_not_stay_in_memory(start: Callable[..., Server], pairs: Pairs) -> None:
    server = start("tlsstreams", "--workers", "1", "--max-body", "200M", *pairs.options("site"))
    server.wait_for(r"worker \d .* is ready")
    ready = re.search(r"worker 0 gen 1 \[(\d+)\] is ready", "\n".join(server.errors))
    assert ready is not None

    def peak_kb() -> int:
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{ready[1]}/status").read_text())
        assert found is not None
        return int(found[1])

    with Client(server, tls=pairs.context(), timeout=60) as client:
        assert client.ask("/length", method="POST", body=bytes(1 << 20)).text == str(1 << 20)
        before = peak_kb()
        client.send(get("/length", f"Content-Length: {100 << 20}", method="POST"))
        for _ in range(100):
            client.send(bytes(1 << 20))
        assert client.read().text == str(100 << 20)
        assert peak_kb() - before < 10_000


@pytest.mark.slow
def test_no_two_threads_are_in_a_connection_at_once(start: Callable[..., Server], pairs: Pairs) -> None:
    server = start("tlsstreams", "--workers", "1", "--threads", "8", *pairs.options("site"))
    context, until_s = pairs.context(), time.monotonic() + 4.0

    def upload(seed: int) -> list[str]:
        """Uploads of all kinds, of which some are broken off; returns which were answered whole."""
        choose, answered = random.Random(seed), []
        while time.monotonic() < until_s:
            what = choose.choice(KINDS)
            body = os.urandom(choose.choice([1_000, 50_000, 300_000]))
            cut = choose.randrange(len(body))
            with Client(server, tls=context) as client:
                client.send(get(f"/{what}", f"Content-Length: {len(body)}", method="POST") + body[:cut])
                if choose.random() < 0.3:
                    client.reset()
                    continue
                try:
                    client.send(body[cut:])
                    got = client.read().body
                except OSError:  # an early answer ends the connection, and the client was still sending
                    assert what not in ("all", "length")
                    continue
            expected = {"all": body, "length": str(len(body)).encode(), "none": b"none", "pieces": body[:100] * 10}
            assert got == expected.get(what, body[:100]), what
            answered.append(what)
        return answered

    with ThreadPoolExecutor(8) as pool:
        assert {what for answered in pool.map(upload, range(8)) for what in answered} == set(KINDS)
    with Client(server, tls=context) as client:
        assert client.ask("/overlaps").text == "0"
    assert server.stop() == 0
    assert not any("Traceback" in line or "[error]" in line for line in server.errors), server.errors
