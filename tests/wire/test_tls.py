"""TLS on the wire: versions and suites, handshakes that stall, records, close_notify, and all that works without it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import signal
import socket
import ssl
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme

from tests.server import Server

from .client import Client, get, until

LARGE = bytes(range(256)) * (12 << 10)  # as apps/framework.py has it
TEXT = "grüße, 世界\n".encode()
WORST_S = 0.5
APPLICATION_DATA = 23  # the type of its records (RFC 8446 section 5.1)


class Files(NamedTuple):
    """What a server is given, and whom its clients trust."""

    authority: trustme.CA
    ca: Path
    chain: Path
    key: Path

    @property
    def options(self) -> tuple[str, ...]:
        return "--certfile", str(self.chain), "--keyfile", str(self.key)

    def context(self) -> ssl.SSLContext:
        """A client's context."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    found = Files(authority, folder / "ca.pem", folder / "chain.pem", folder / "key.pem")
    authority.cert_pem.write_to_path(str(found.ca))
    issue(found)
    return found


def issue(files: Files) -> None:
    """Write a new certificate and key for the server."""
    certificate = files.authority.issue_cert("localhost")
    files.key.write_bytes(certificate.private_key_pem.bytes())
    files.chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))


@pytest.fixture(scope="module")
def server(share: Callable[..., Server], files: Files) -> Server:
    return share("framework", "--workers", "1", "--threads", "4", "--max-body", "32M", *files.options)


@pytest.fixture
def context(files: Files) -> ssl.SSLContext:
    return files.context()


# -- versions, suites, certificates -------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions(server: Server, context: ssl.SSLContext, version: ssl.TLSVersion) -> None:
    context.minimum_version = context.maximum_version = version
    with Client(server, tls=context) as client:
        scheme, spoken, subject, _, _ = json.loads(client.ask("/security").body)
        assert (scheme, spoken, subject) == ("https", {772: "TLSv1.3", 771: "TLSv1.2"}[version], [])
        assert client.sock.selected_alpn_protocol() == "http/1.1"
        assert client.ask("/body/str").body == TEXT
    assert server.scheme == "https"


def test_tls_1_1_is_refused(server: Server, context: ssl.SSLContext) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="alert protocol version"):
        Client(server, tls=context)


def test_suites(server: Server, context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM")
    with Client(server, tls=context) as client:
        assert client.ask("/body/str").status == 200
    context.set_ciphers("AES128-SHA:AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA")
    with pytest.raises(ssl.SSLError, match="alert handshake failure"):
        Client(server, tls=context)


@pytest.mark.parametrize("mode", ["optional", "required"])
def test_client_certificates(start: Callable[..., Server], files: Files, mode: str, tmp_path: Path) -> None:
    server = start("framework", "--workers", "1", *files.options, "--client-ca", str(files.ca), "--client-cert", mode)
    known = files.context()
    files.authority.issue_cert("client.example", common_name="client").configure_cert(known)
    with Client(server, tls=known) as client:
        assert json.loads(client.ask("/security").body)[2] == ["client"]
    stranger = files.context()
    trustme.CA().issue_cert("client.example", common_name="client").configure_cert(stranger)
    nameless = files.context()
    for context, welcome in ((nameless, mode == "optional"), (stranger, False)):
        if welcome:
            with Client(server, tls=context) as client:
                assert json.loads(client.ask("/security").body)[2] == []
        else:
            # over TLS 1.3 a client learns that it was refused when it first reads
            with pytest.raises((ssl.SSLError, ConnectionResetError)), Client(server, tls=context) as client:
                client.ask("/security")


def test_sessions_resume_on_any_worker(start: Callable[..., Server], files: Files) -> None:
    server = start("framework", "--workers", "2", *files.options)
    server.wait_for(r"worker \d .* is ready", count=2)
    context = files.context()
    with Client(server, tls=context) as client:
        client.ask("/security")
        session = client.sock.session
    with ExitStack() as stack:
        pids = set()
        for _ in range(6):
            client = stack.enter_context(Client(server, tls=context, session=session))
            *_, reused, pid = json.loads(client.ask("/security").body)
            assert reused and client.sock.session_reused
            pids.add(pid)
        assert len(pids) == 2


def test_a_reload_takes_a_new_certificate(start: Callable[..., Server], files: Files) -> None:
    server = start("framework", "--workers", "1", *files.options)

    def serial() -> str:
        with Client(server, tls=files.context()) as client:
            assert client.ask("/body/str").status == 200
            return client.sock.getpeercert()["serialNumber"]

    before = serial()
    issue(files)
    assert serial() == before
    server.send(signal.SIGHUP)
    server.wait_for("reload done")
    assert serial() != before


# -- handshakes that come to nothing ------------------------------------------------------------------------------


def hello_bytes(context: ssl.SSLContext) -> bytes:
    """The first bytes of a client."""
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


def test_handshakes_that_stall_block_nobody_and_are_ended(start: Callable[..., Server], files: Files) -> None:
    server = start("framework", "--workers", "1", "--threads", "2", "--header-timeout", "1", *files.options)
    context = files.context()
    hello = hello_bytes(context)
    with ExitStack() as stack:
        began = time.monotonic()
        stalled = [stack.enter_context(Client(server)) for _ in range(60)]
        for number, client in enumerate(stalled):  # silent, with half a hello, and with no answer to the server's
            client.send((b"", hello[:50], hello)[number % 3])
        for _ in range(20):
            asked = time.monotonic()
            with Client(server, tls=context) as healthy:
                assert healthy.ask("/body/str").status == 200
            assert time.monotonic() - asked <= WORST_S
        for client in stalled:
            with contextlib.suppress(ConnectionResetError):
                client.rest()
        assert time.monotonic() - began >= 1.0


def test_what_is_no_tls_is_ended_at_once(server: Server, context: ssl.SSLContext) -> None:
    for nonsense in (get("/body/str"), b"\x16\x03\x01\x00\x05hello", bytes(2000)):
        with Client(server, timeout=5) as plain, contextlib.suppress(ConnectionResetError):
            plain.send(nonsense)
            assert not plain.rest().startswith(b"HTTP/1.1 200")
    with Client(server, tls=context) as client:
        assert client.ask("/body/str").body == TEXT


def test_clients_that_vanish_during_the_handshake(server: Server, context: ssl.SSLContext) -> None:
    hello = hello_bytes(context)
    for part in (b"", hello[:50], hello):
        for leave in (Client.close, Client.reset):
            client = Client(server)
            client.send(part)
            leave(client)
    with Client(server, tls=context) as client:
        assert client.ask("/body/str").body == TEXT
    assert not any("Traceback" in line for line in server.errors)


# -- records and the end ------------------------------------------------------------------------------------------


class Records:
    """A client of TLS in memory, which sees the records themselves."""

    def __init__(self, server: Server, context: ssl.SSLContext) -> None:
        self.sock = socket.create_connection(server.address, timeout=10)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self._unparsed = b""
        self.received: list[int] = []  # the types of records
        self._until(self._tls.do_handshake)

    def __enter__(self) -> Records:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def ask(self, request: bytes, end: bytes) -> bytes:
        """Send, and read until the answer has come that ends so."""
        self._tls.write(request)
        answer = b""
        while not answer.endswith(end):
            piece = self._until(lambda: self._tls.read(1 << 20))
            assert piece, f"the connection ended after {answer[-300:]!r}"
            answer += piece
        return answer

    def _until(self, step: Callable[[], object]) -> bytes:
        while True:
            try:
                done = step()
                self.sock.sendall(self._outgoing.read())
                return done  # type: ignore[return-value]
            except ssl.SSLWantReadError:
                self.sock.sendall(self._outgoing.read())
                data = self.sock.recv(1 << 18)
                assert data
                self._incoming.write(data)
                self._unparsed += data
                while len(self._unparsed) >= 5:
                    size = 5 + int.from_bytes(self._unparsed[3:5], "big")
                    if len(self._unparsed) < size:
                        break
                    self.received.append(self._unparsed[0])
                    self._unparsed = self._unparsed[size:]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_head_and_a_small_body_share_a_record(
    server: Server, context: ssl.SSLContext, version: ssl.TLSVersion
) -> None:
    context.minimum_version = context.maximum_version = version
    with Records(server, context) as client:
        client.ask(get("/body/str"), TEXT)  # session tickets come with the first answer
        for request, end in (
            (get("/body/str"), TEXT),
            (get("/body/memoryview"), b"abc"),
            (get("/body/bytesio")[:-2] + b"X-Length: 300\r\n\r\n", bytes(range(256)) + bytes(range(44))),
            (get("/body/small-file")[:-2] + b"X-Length: 256\r\n\r\n", bytes(range(256))),
            (get("/fields"), b"hello"),
            (get("/nowhere"), b"404 - Not Found\n"),
            (get("/fails/exception"), b"500 - Internal Server Error\n"),
            (get("/echo", method="POST", body=b"hi"), b"hi"),
        ):
            client.received.clear()
            answer = client.ask(request, end)
            assert answer.startswith(b"HTTP/1.1 ")
            assert client.received == [APPLICATION_DATA], request
        client.received.clear()
        assert client.ask(b"nonsense\r\n\r\n", b" HTTP/1.1\n").startswith(b"HTTP/1.1 400 ")
        assert client.received[0] == APPLICATION_DATA  # and then close_notify


def test_close_notify_comes_before_the_end(start: Callable[..., Server], files: Files, context: ssl.SSLContext) -> None:
    server = start("framework", "--workers", "1", "--keepalive", "1", *files.options)
    with ExitStack() as stack:
        idle = stack.enter_context(Client(server, tls=context))
        assert idle.ask("/body/str").status == 200
        asked = stack.enter_context(Client(server, tls=context))
        assert asked.ask("/body/str", "Connection: close").body == TEXT
        asked.ended()  # which raises SSLEOFError where no close_notify came
        old = stack.enter_context(Client(server, tls=context))
        assert old.ask("/body/large-generator", version="HTTP/1.0").body == LARGE
        refused = stack.enter_context(Client(server, tls=context))
        refused.send(b"nonsense\r\n\r\n")
        assert refused.read().status == 400
        refused.ended()
        too_much = stack.enter_context(Client(server, tls=context))
        too_much.send(get("/echo", "Content-Length: 99999999", method="POST") + bytes(100_000))
        assert too_much.read().status == 413
        too_much.ended()
        idle.ended()
        last = stack.enter_context(Client(server, tls=context))
        assert last.ask("/body/str").status == 200
        server.send(signal.SIGTERM)
        last.ended()
    assert server.wait() == 0


def test_an_answer_that_breaks_off_has_no_close_notify(server: Server, context: ssl.SSLContext) -> None:
    with Client(server, tls=context) as client:
        client.send(get("/bad/raises-late", version="HTTP/1.0"))
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            client.rest()


# -- all that works without TLS -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["large", "large-file", "large-generator"])
def test_large_answers(server: Server, context: ssl.SSLContext, kind: str) -> None:
    with Client(server, tls=context, receive_buffer_bytes=4096) as client:
        client.send(get(f"/body/{kind}") + get("/body/str"))
        client.take(100_000)
        with Client(server, tls=context) as other:  # while the first one's is being sent
            assert other.ask("/body/str").body == TEXT
        assert client.read().body == LARGE
        assert client.read().body == TEXT


@pytest.mark.parametrize("framing", ["fixed", "chunked", "expected", "streamed"])
def test_large_bodies(server: Server, context: ssl.SSLContext, framing: str) -> None:
    digest = hashlib.sha256(LARGE).hexdigest()
    with Client(server, tls=context) as client:
        for _ in range(2):
            if framing == "chunked":
                client.send(get("/echo", "Transfer-Encoding: chunked", method="POST"))
                client.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(LARGE), LARGE))
            else:
                path = "/streamed/digest" if framing == "streamed" else "/echo"
                expect = ["Expect: 100-continue"] if framing == "expected" else []
                client.send(get(path, f"Content-Length: {len(LARGE)}", *expect, method="POST"))
                if expect:
                    assert client.read().status == 100
                client.send(LARGE)
            reply = client.read()
            assert reply.status == 200
            assert (reply.text if framing == "streamed" else reply.get("X-Digest")) == digest


def test_pipelining(server: Server, context: ssl.SSLContext) -> None:
    with Client(server, tls=context) as client:
        one = get("/body/str") + get("/echo", method="POST", body=b"hi") + get("/sleep/0.001")
        client.send(one * 20)  # in one record
        for _ in range(20):
            assert [client.read().body for _ in range(3)] == [TEXT, b"hi", b"slept"]
        for request in (one, one * 300):  # a byte a record, and several records at once
            if request is one:
                client.send_bytewise(request)
            else:
                client.send(request)
            for _ in range(len(request) // len(one)):
                assert [client.read().body for _ in range(3)] == [TEXT, b"hi", b"slept"]


@pytest.mark.parametrize("cut", [1, 70_000, 600_000])
def test_a_request_behind_a_body_in_one_record_is_answered(server: Server, context: ssl.SSLContext, cut: int) -> None:
    body = LARGE[:1_000_000]
    both = get("/echo", method="POST", body=body) + get("/body/str")
    with Client(server, tls=context) as client:
        for _ in range(3):
            client.send(both[:cut])
            client.send(both[cut:])  # the records of the one end inside the other
            echo = client.read()
            assert (echo.text, echo.get("X-Digest")) == ("1000000", hashlib.sha256(body).hexdigest())
            assert client.read().body == TEXT


def test_a_client_that_vanishes_in_the_middle(server: Server, context: ssl.SSLContext) -> None:
    with Client(server, tls=context) as watching:
        watching.ask("/aside?clear")
        for _ in range(3):
            client = Client(server, tls=context, receive_buffer_bytes=4096)
            client.send(get("/body/large-file"))
            client.take(10_000)
            client.reset()
        until(lambda: watching.ask("/aside").text.count('"large"') == 3, "each file has been closed")


def test_stalled_clients_hold_nobody_up(server: Server, context: ssl.SSLContext) -> None:
    with ExitStack() as stack:
        for number in range(60):
            client = stack.enter_context(Client(server, tls=context, receive_buffer_bytes=4096))
            part = (get("/")[:10], get("/echo", "Content-Length: 9", method="POST") + b"x", get("/body/large-file"))
            client.send(part[number % 3])
        with Client(server, tls=context) as healthy:
            healthy.ask("/body/str")
            for _ in range(50):
                began = time.monotonic()
                assert healthy.ask("/body/str").body == TEXT
                assert healthy.ask("/sleep/0.001").text == "slept"
                assert time.monotonic() - began <= WORST_S
