"""Files of each size that is sent in another way: read, with sendfile in one step, in several; plain and under TLS."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from tests.server import Server
from webpy.framework.answer import SMALL_BYTES
from webpy.worker.connections.transport import PlainTransport

from .client import Client, get, until
from .conftest import Log

WHOLE_BYTES = 3 << 20  # as apps/sizes.py has it
WHOLE = (bytes(range(251)) * (WHOLE_BYTES // 251 + 1))[:WHOLE_BYTES]
STEP_BYTES = PlainTransport.file_step_bytes
SIZES = [0, 1, SMALL_BYTES, SMALL_BYTES + 1, 65536, 65537, STEP_BYTES, STEP_BYTES + 1, WHOLE_BYTES]


def end(size: int) -> bytes:
    return WHOLE[WHOLE_BYTES - size :]


@pytest.fixture(scope="module")
def plain(share: Callable[..., Server]) -> Server:
    return share("sizes", "--workers", "1", "--threads", "4")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def under_tls(share: Callable[..., Server], authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Server:
    pem: Path = tmp_path_factory.mktemp("sizes") / "server.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(pem))
    return share("sizes", "--workers", "1", "--threads", "4", "--certfile", str(pem), "--keyfile", str(pem))


@pytest.mark.parametrize("kind", ["raw", "buffered"])
@pytest.mark.parametrize("size", SIZES)
def test_every_byte_arrives_once(plain: Server, size: int, kind: str) -> None:
    path = f"/end/{size}/{kind}"
    log = Log(plain, f"{path} ")
    for receive_buffer_bytes in (0, 4096):
        with Client(plain, receive_buffer_bytes=receive_buffer_bytes) as client:
            client.send(3 * get(path))  # the second and third wait behind the first
            for _ in range(3):
                reply = client.read()
                assert (reply.status, reply.framing, reply.body == end(size)) == (200, "length", True)
            assert client.ask(path, method="HEAD").get("content-length") == str(size)
    lengths = [int(line.split('" 200 ')[1].split()[0]) for line in log.lines(8)]
    assert lengths == 2 * [size, size, size, 0]


@pytest.mark.parametrize("size", SIZES)
def test_under_tls_likewise(under_tls: Server, authority: trustme.CA, size: int) -> None:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    for receive_buffer_bytes in (0, 4096):
        with Client(under_tls, tls=context, receive_buffer_bytes=receive_buffer_bytes) as client:
            client.send(3 * get(f"/end/{size}/raw"))
            for _ in range(3):
                assert client.read().body == end(size)


@pytest.mark.parametrize("size", [SMALL_BYTES + 1, STEP_BYTES, WHOLE_BYTES])
def test_a_file_is_closed_when_it_is_sent_or_its_client_has_gone(plain: Server, size: int) -> None:
    def open_files() -> int:
        return int(plain.get("/open").body)

    with Client(plain) as client:
        client.ask("/end/1/raw")
    before = open_files()
    for _ in range(5):
        with Client(plain) as client:
            client.ask(f"/end/{size}/raw")
        gone = Client(plain, receive_buffer_bytes=4096)
        gone.send(get(f"/end/{size}/raw"))
        gone.take(100)
        gone.reset()
    until(lambda: open_files() <= before, "the files are closed")
