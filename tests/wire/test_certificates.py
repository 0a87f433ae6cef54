"""Certificates on the wire: by name, taken on by running workers, watched, revoked; and nothing is lost by it."""

from __future__ import annotations

import itertools
import json
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.server import Server
from webpy.supervisor.control.client import ControlClient

from .certificates import Pairs, revocation_list
from .client import Client, get

UP = get("/body/str", "Connection: close")


class Served:
    """A server with two workers, two pairs of files, and a connection to its control socket."""

    def __init__(self, server: Server, pairs: Pairs, control: Path) -> None:
        self.server = server
        self.pairs = pairs
        self.control = control

    def renew(self) -> tuple[bool, str]:
        with ControlClient(self.control) as client:
            reply = client.ask("renew", 15, wait=True)
        return reply["ok"], reply["text"]

    def status(self) -> dict[str, object]:
        with ControlClient(self.control) as client:
            found: dict[str, object] = client.ask("status", 15)["status"]
        return found

    def serial(self, name: str | None = "localhost", context: ssl.SSLContext | None = None) -> str:
        """The serial number of the certificate that a client gets who asks for `name`; None: for no name."""
        context = context or self.pairs.context()
        context.check_hostname = False
        with (
            socket.create_connection(self.server.address, 10) as raw,
            context.wrap_socket(raw, server_hostname=name) as tls,
        ):
            tls.sendall(UP)
            assert tls.recv(100).startswith(b"HTTP/1.1 200")
            return str(tls.getpeercert()["serialNumber"])  # type: ignore[index]


@pytest.fixture(scope="module")
def served(share: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Served:
    pairs = Pairs(tmp_path_factory.mktemp("pairs"))
    pairs.issue("one", "localhost", "www.example.org")
    pairs.issue("two", "*.example.org", "example.net")
    control = pairs.folder / "control.sock"
    server = share("framework", "--workers", "2", "--control", str(control), *pairs.options("one", "two"))
    server.wait_for(r"worker \d .* is ready", count=2)
    return Served(server, pairs, control)


@pytest.fixture
def fresh(served: Served) -> Served:
    """The same, with certificates that load."""
    served.pairs.issue("one", "localhost", "www.example.org")
    assert served.renew()[0]
    return served


# -- by name --------------------------------------------------------------------------------------------------------


def test_by_name(fresh: Served) -> None:
    one, two = fresh.serial(), fresh.serial("example.net")
    assert one != two
    for name in ("www.example.org", "WWW.Example.ORG", "other.example", "a.b.example.org", "example.org", None):
        assert fresh.serial(name) == one
    for name in ("shop.example.org", "EXAMPLE.net"):
        assert fresh.serial(name) == two


@pytest.mark.needs("openssl")
def test_by_name_to_openssl(fresh: Served) -> None:
    host, port = fresh.server.address
    for name, subject in (("shop.example.org", "*.example.org"), ("localhost", "localhost")):
        command = ["openssl", "s_client", "-connect", f"{host}:{port}", "-servername", name, "-alpn", "h2,http/1.1"]
        command += ["-CAfile", str(fresh.pairs.ca), "-verify_hostname", name, "-verify_return_error"]
        said = subprocess.run(command, input=b"", capture_output=True, timeout=20, check=True).stdout.decode()
        assert "Verify return code: 0 (ok)" in said and "ALPN protocol: http/1.1" in said
        assert subject.removeprefix("*.") in said


@pytest.mark.parametrize("name", [b"\xff\xfe\xfdabc.org", b"a\0b\0c.org12", b"*.*.*.*.*.*", b"..........."])
def test_names_that_are_none(fresh: Served, name: bytes) -> None:
    outgoing = ssl.MemoryBIO()
    asking = fresh.pairs.context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="x" * len(name))
    with pytest.raises(ssl.SSLWantReadError):
        asking.do_handshake()
    with Client(fresh.server) as client:
        client.send(outgoing.read().replace(b"x" * len(name), name))
        assert client.sock.recv(1) in (b"\x15", b"\x16")  # an alert, or an answer with the default certificate
    fresh.serial()
    assert not [line for line in fresh.server.errors if "Traceback" in line or "ignored" in line]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_gives_no_client_another_names_certificate(fresh: Served, version: ssl.TLSVersion) -> None:
    context = fresh.pairs.context()
    context.check_hostname = False
    context.minimum_version = context.maximum_version = version
    with Client(fresh.server, tls=context) as client:
        client.ask("/body/str")
        session = client.sock.session
        own = client.sock.getpeercert()
    # a client that resumes goes on with the certificate that it has verified; it is sent none
    with (
        socket.create_connection(fresh.server.address, 10) as raw,
        context.wrap_socket(raw, server_hostname="example.net", session=session) as tls,
    ):
        assert tls.session_reused and tls.getpeercert() == own
    assert fresh.serial("example.net", context) != own["serialNumber"]


# -- taken on by running workers ------------------------------------------------------------------------------------


def test_running_workers_take_them_on(fresh: Served) -> None:
    before = fresh.serial()
    with ExitStack() as stack:
        context = fresh.pairs.context()
        kept = [stack.enter_context(Client(fresh.server, tls=context)) for _ in range(4)]
        pids = {json.loads(client.ask("/security").body)[-1] for client in kept}
        after = fresh.pairs.issue("one", "localhost", "www.example.org")
        assert fresh.serial() == before
        assert fresh.renew() == (True, "new certificates taken on by 2 workers")
        assert {fresh.serial() for _ in range(8)} == {after}
        assert {json.loads(client.ask("/security").body)[-1] for client in kept} == pids  # on their old connections
    facts = fresh.status()["facts"]["certificates"]  # type: ignore[index]
    assert [each["names"] for each in facts] == [["localhost", "www.example.org"], ["*.example.org", "example.net"]]
    assert facts[0]["serial"] == after
    assert fresh.renew() == (True, "nothing has changed")


def test_under_load_no_handshake_fails(fresh: Served) -> None:
    failures: list[BaseException] = []
    over = threading.Event()
    done = itertools.count()
    seen = set()

    def ask() -> None:
        while not over.is_set():
            try:
                seen.add(fresh.serial())
                next(done)
            except BaseException as error:
                failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    issued = set()
    try:
        for _ in range(5):
            issued.add(fresh.pairs.issue("one", "localhost"))
            at_least = next(done) + 8
            assert fresh.renew() == (True, "new certificates taken on by 2 workers")
            while next(done) < at_least and not failures:
                over.wait(0.005)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert len(seen & issued) >= 3


@pytest.mark.parametrize(
    ("stem", "content", "why"),
    [
        ("one.pem", "junk", "does not load: it holds no certificate in PEM"),
        ("one.key", "junk", "does not load: it holds no private key in PEM"),
        ("one.pem", "", "does not load: it holds no certificate in PEM"),
        ("one.pem", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", r"does not load: \["),
        ("one.key", None, "does not load: No such file or directory"),
        ("one.key", "two.key", r"the key belongs to another certificate \(KEY_VALUES_MISMATCH\)"),
    ],
)
def test_a_broken_pair_changes_nothing(fresh: Served, stem: str, content: str | None, why: str) -> None:
    before, failed = fresh.serial(), fresh.status()["renewals_failed"]
    path = fresh.pairs.folder / stem
    if content is None:
        path.unlink()
    else:
        other = fresh.pairs.folder / content
        path.write_bytes(other.read_bytes() if content.endswith(".key") else content.encode())
    done, text = fresh.renew()
    assert not done
    fresh.server.wait_for(rf"\[error\] the certificates in use stay in use: (certfile|keyfile) '.*/one\.\w+'.*{why}")
    assert "one." in text
    assert {fresh.serial() for _ in range(4)} == {before}
    assert fresh.status()["renewals_failed"] == failed + 1  # type: ignore[operator]


def test_sessions_outlive_new_certificates_and_resume_on_any_worker(fresh: Served) -> None:
    context = fresh.pairs.context()
    with Client(fresh.server, tls=context) as client:
        client.ask("/security")
        session = client.sock.session
    fresh.pairs.issue("one", "localhost")
    assert fresh.renew()[0]
    with ExitStack() as stack:
        pids = set()
        for _ in range(6):
            client = stack.enter_context(Client(fresh.server, tls=context, session=session))
            *_, reused, pid = json.loads(client.ask("/security").body)
            assert reused and client.sock.session_reused
            pids.add(pid)
        assert len(pids) == 2


# -- watched --------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Certificates as Kubernetes mounts them: over a link to a link to a folder that is never changed."""
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
    os.symlink("v1", tmp_path / "..data")
    for name in ("tls.pem", "tls.key"):
        os.symlink(f"..data/{name}", tmp_path / name)
    yield tmp_path


@pytest.mark.slow
def test_a_watched_link_that_leads_elsewhere(start: Callable[..., Server], folder: Path, tmp_path: Path) -> None:
    pairs = Pairs(folder / "v1")
    first = pairs.issue("tls", "localhost", days=5)
    control = tmp_path / "control.sock"
    options = ("--certfile", f"{folder}/tls.pem", "--keyfile", f"{folder}/tls.key")
    server = start("framework", "--workers", "2", "--cert-watch", "--control", str(control), *options)
    server.wait_for(r"worker \d .* is ready", count=2)
    served = Served(server, pairs, control)
    assert served.serial() == first
    server.wait_for(r"\[warning\] the certificate of localhost expires in 4 days")
    pairs.folder = folder / "v2"
    second = pairs.issue("tls", "localhost", days=3)
    os.symlink("v2", folder / "..new")
    os.replace(folder / "..new", folder / "..data")
    server.wait_for("new certificates taken on by 2 workers")
    assert served.serial() == second
    server.wait_for(r"\[warning\] the certificate of localhost expires in 2 days")


# -- versions and groups --------------------------------------------------------------------------------------------

GROUPS = """
openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = tls
[tls]
Groups = X25519:P-256:P-384
"""


def test_modern_is_1_3_alone_and_groups_are_openssls(start: Callable[..., Server], tmp_path: Path) -> None:
    pairs, settings = Pairs(tmp_path), tmp_path / "openssl.cnf"
    pairs.issue("tls", "localhost")
    settings.write_text(GROUPS)
    options = ("--workers", "1", "--tls-profile", "modern", *pairs.options("tls"))
    server = start("framework", *options, env={"OPENSSL_CONF": str(settings)})
    old = pairs.context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match="alert protocol version"):
        Client(server, tls=old)
    for group, known in (("X25519", True), ("prime256v1", True), ("secp384r1", True), ("secp521r1", False)):
        context = pairs.context()
        context.set_ecdh_curve(group)
        if known:
            with Client(server, tls=context) as client:
                assert client.ask("/body/str").status == 200 and client.sock.version() == "TLSv1.3"
        else:
            with pytest.raises(ssl.SSLError, match="alert handshake failure"):
                Client(server, tls=context)


# -- clients' certificates ------------------------------------------------------------------------------------------


def test_revoked_certificates(start: Callable[..., Server], tmp_path: Path) -> None:
    pairs, control, crl = Pairs(tmp_path), tmp_path / "control.sock", tmp_path / "crl.pem"
    pairs.issue("tls", "localhost")
    theirs = pairs.issue("client", "me@example.org")
    crl.write_bytes(revocation_list(pairs.authority, []))
    options = ("--client-ca", str(pairs.ca), "--client-cert", "required", "--client-crl", str(crl))
    server = start("framework", "--control", str(control), *pairs.options("tls"), *options)
    served = Served(server, pairs, control)
    known = pairs.context()
    known.load_cert_chain(tmp_path / "client.pem", tmp_path / "client.key")
    with Client(server, tls=known) as client:
        assert client.ask("/body/str").status == 200
        session = client.sock.session
    crl.write_bytes(revocation_list(pairs.authority, [theirs]))
    assert served.renew()[0]
    for resumed in (None, session):  # a session of before is not resumed: its client would not be checked
        with pytest.raises((ssl.SSLError, ConnectionError)), Client(server, tls=known, session=resumed) as client:
            client.ask("/body/str")
    crl.write_bytes(pairs.ca.read_bytes())
    assert served.renew() == (False, f"client-crl '{crl}' does not load: it holds no revocation list")
    with pytest.raises((ssl.SSLError, ConnectionError)), Client(server, tls=known) as client:
        client.ask("/body/str")
