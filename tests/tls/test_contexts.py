"""The TLS context: versions, clients' certificates, and messages about files that do not load."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.server import Server
from webpy.settings import resolve
from webpy.settings.schema import Settings
from webpy.supervisor.control.client import ControlClient
from webpy.tls import Certificates, make_context
from webpy.tls.contexts import Contexts
from webpy.tls.material import Material, Pair


class Files:
    """A certificate authority, and a server's certificate of it, in files."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        issued = self.authority.issue_cert("localhost")
        self.cert, self.key, self.ca = (str(folder / name) for name in ("cert.pem", "key.pem", "ca.pem"))
        issued.cert_chain_pems[0].write_to_path(self.cert)
        issued.private_key_pem.write_to_path(self.key)
        self.authority.cert_pem.write_to_path(self.ca)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("tls"))


def settings(**given: Any) -> Settings:
    return resolve(given, {}, None).settings


def forced(certfile: str, **given: Any) -> Settings:
    """Settings whose files have changed since they were checked."""
    made = settings()
    for name, value in {"certfile": certfile, **given}.items():
        object.__setattr__(made, name, value)
    return made


class Handshake:
    """Both sides of a connection, in memory: what one writes the other reads."""

    def __init__(self, server: ssl.SSLContext, client: ssl.SSLContext) -> None:
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.server = server.wrap_bio(to_server, to_client, server_side=True)
        self.client = client.wrap_bio(to_client, to_server, server_hostname="localhost")
        done: set[ssl.SSLObject] = set()
        for _ in range(10):
            for side in (self.client, self.server):
                with contextlib.suppress(ssl.SSLWantReadError):
                    side.do_handshake()
                    done.add(side)
            if len(done) == 2:
                break
        assert len(done) == 2
        # under TLS 1.3 the server's word on a client's certificate comes after the client's handshake
        with contextlib.suppress(ssl.SSLWantReadError):
            self.client.read(1)


def client(files: Files, **given: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=files.ca)
    for name, value in given.items():
        setattr(context, name, value)
    return context


def server(files: Files, **given: Any) -> ssl.SSLContext:
    context = make_context(settings(certfile=files.cert, keyfile=files.key, **given))
    assert context is not None
    return context


def test_without_a_certificate_there_is_no_tls() -> None:
    assert make_context(settings()) is None


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_it_speaks_1_2_and_1_3(files: Files, version: ssl.TLSVersion) -> None:
    met = Handshake(server(files), client(files, minimum_version=version, maximum_version=version))
    assert met.client.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_it_does_not_speak_1_1(files: Files) -> None:
    old = client(files)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        Handshake(server(files), old)
    assert server(files).minimum_version == ssl.TLSVersion.TLSv1_2  # whatever OpenSSL's own settings refuse besides


def test_its_suites_for_1_2_are_mozillas_intermediate_ones(files: Files) -> None:
    old = [suite["name"] for suite in server(files).get_ciphers() if suite["protocol"] == "TLSv1.2"]
    assert old == [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "DHE-RSA-AES128-GCM-SHA256",
        "DHE-RSA-AES256-GCM-SHA384",
        "DHE-RSA-CHACHA20-POLY1305",
    ]


@pytest.mark.parametrize(("offered", "chosen"), [(["h2", "http/1.1"], "http/1.1"), (["h2"], None), ([], None)])
def test_it_agrees_on_http_1_1_only(files: Files, offered: list[str], chosen: str | None) -> None:
    asking = client(files)
    if offered:
        asking.set_alpn_protocols(offered)
    assert Handshake(server(files), asking).client.selected_alpn_protocol() == chosen


def test_a_client_certificate_is_asked_for_as_set(files: Files) -> None:
    nameless, named = client(files), client(files)
    files.authority.issue_cert("me@example.org").configure_cert(named)
    assert Handshake(server(files), named).server.getpeercert() is None
    optional = server(files, client_ca=files.ca, client_cert="optional")
    assert Handshake(optional, nameless).server.getpeercert() is None
    assert Handshake(optional, named).server.getpeercert()
    required = server(files, client_ca=files.ca, client_cert="required")
    assert Handshake(required, named).server.getpeercert()
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE|certificate"):
        Handshake(required, nameless)


def test_a_certificate_of_somebody_else_is_refused(files: Files) -> None:
    stranger = client(files)
    trustme.CA().issue_cert("me@example.org").configure_cert(stranger)
    with pytest.raises(ssl.SSLError):
        Handshake(server(files, client_ca=files.ca, client_cert="optional"), stranger)


# -- files that do not load -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["certfile", "keyfile", "client-ca"])
def test_a_file_that_is_not_there_is_named(files: Files, tmp_path: Path, name: str) -> None:
    gone = str(tmp_path / "gone.pem")
    given = {"certfile": files.cert, "keyfile": files.key, name.replace("-", "_"): gone}
    with pytest.raises(ValueError, match=f"{name} '{gone}' does not load: No such file or directory"):
        make_context(forced(**given))


def test_a_key_of_another_certificate_is_named(files: Files, tmp_path: Path) -> None:
    other = str(tmp_path / "other.pem")
    files.authority.issue_cert("localhost").private_key_pem.write_to_path(other)
    with pytest.raises(ValueError, match=f"certfile '{files.cert}' with keyfile '{other}' does not load: .*MISMATCH"):
        make_context(forced(files.cert, keyfile=other))


def test_what_is_no_certificate_is_named(files: Files, tmp_path: Path) -> None:
    path = tmp_path / "junk.pem"
    path.write_text("junk")
    with pytest.raises(ValueError, match=f"certfile '{path}' with keyfile .* does not load"):
        make_context(forced(str(path), keyfile=files.key))
    with pytest.raises(ValueError, match=f"client-ca '{path}' does not load"):
        make_context(forced(files.cert, keyfile=files.key, client_ca=str(path)))


@pytest.mark.needs("openssl")
def test_a_key_with_a_password_is_refused_not_asked_for(files: Files, tmp_path: Path) -> None:
    locked = tmp_path / "locked.pem"
    command = ["openssl", "pkey", "-in", files.key, "-aes256", "-passout", "pass:secret", "-out", os.fspath(locked)]
    subprocess.run(command, check=True, capture_output=True, timeout=20)
    with pytest.raises(ValueError, match=f"keyfile '{locked}' has a password, wanted a key without one"):
        make_context(forced(files.cert, keyfile=str(locked)))


# -- files that change after they were read ------------------------------------------------------------------------


def test_files_that_were_read_do_for_another_context(files: Files, tmp_path: Path) -> None:
    paths = {}
    for name, source in (("certfile", files.cert), ("keyfile", files.key), ("client_ca", files.ca)):
        paths[name] = str(shutil.copy(source, tmp_path))
    given = settings(**paths, client_cert="required")
    read = Certificates(given)
    for path in paths.values():
        Path(path).write_text("broken")
    mine = client(files)
    files.authority.issue_cert("me@example.org").configure_cert(mine)
    for _ in range(2):
        read.load()
        Handshake(read.context, mine)
    Path(paths["certfile"]).unlink()
    read.load()
    with pytest.raises(ValueError, match="certfile .* does not load"):
        make_context(given)


def test_what_has_not_changed_is_not_made_again(files: Files, tmp_path: Path) -> None:
    other = Files(tmp_path)
    pairs = [
        Pair(each.cert, each.key, Path(each.cert).read_bytes(), Path(each.key).read_bytes()) for each in (files, other)
    ]
    contexts = Contexts(settings(), Material(tuple(pairs)))
    front = contexts.front
    chosen = [Handshake(front, client(each)).server.context for each in (files,)]
    contexts.take(Material((pairs[0],)))
    assert Handshake(front, client(files)).server.context is chosen[0] and contexts.front is front
    contexts.take(Material((pairs[1], pairs[0])))
    assert Handshake(front, client(other)).server.context is not chosen[0] and contexts.front is front
    with pytest.raises(ValueError, match="does not load"):
        contexts.take(Material((Pair("x", "x", b"", b""), pairs[0])))
    Handshake(front, client(other))
    contexts.take(Material((pairs[0],), client_ca=Path(files.ca).read_bytes()))
    assert contexts.front is not front  # whoever resumes would not be checked by the new authorities


def test_what_goes_to_the_workers_arrives_unchanged() -> None:
    every = bytes(range(256))
    material = Material((Pair("ä", "ö", every, b""), Pair("", "", b"", every)), every, b"x")
    assert Material.unpack(material.pack()) == material


def test_a_key_that_only_the_master_may_read(files: Files, tmp_path: Path) -> None:
    cert, key = (shutil.copy(path, tmp_path) for path in (files.cert, files.key))
    given = settings(certfile=cert, keyfile=key)
    read = Certificates(given)
    asking = client(files)
    os.chmod(key, 0)
    pid = os.fork()
    if pid == 0:  # as the process that loads the application does
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            read.load()
            Handshake(read.context, asking)
            os._exit(int(os.access(key, os.R_OK)))
        finally:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0


def test_a_broken_certificate_does_not_keep_the_dead_from_coming_back(
    serve: Callable[..., Server], files: Files, tmp_path: Path
) -> None:
    cert, key = (Path(shutil.copy(path, tmp_path)) for path in (files.cert, files.key))
    (tmp_path / "app.py").write_text("def application(environ, start):\n    start('200 OK', [])\n    return [b'up']\n")
    server = serve(tmp_path / "app.py", "--certfile", str(cert), "--keyfile", str(key))
    cert.write_text("broken")
    key.unlink()
    for count in (2, 3):
        for kind in ("loader", "worker 0"):
            said = server.wait_for(rf"{kind} gen 1 \[\d+\] is ready", count=count - 1)
            os.kill(int(re.findall(r"\[(\d+)\] is ready", said)[0]), signal.SIGKILL)
        server.wait_for(r"worker 0 gen 1 \[\d+\] is ready", count=count)
    plain = socket.create_connection(server.address, 10)
    with client(files).wrap_socket(plain, server_hostname="localhost") as tls:
        tls.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert tls.makefile("rb").read().endswith(b"up")
    server.send(signal.SIGHUP)
    server.wait_for("reload failed, generation 1 keeps serving")


def test_files_that_the_application_names_are_taken_on_by_a_reload_only(
    serve: Callable[..., Server], files: Files, tmp_path: Path
) -> None:
    cert, key = (Path(shutil.copy(path, tmp_path)) for path in (files.cert, files.key))
    (tmp_path / "app.py").write_text(
        "import webpy\n"
        "class Up(webpy.HTTPHandler):\n    def do_get(self):\n        return 200, 'up'\n"
        f"server = webpy.HTTPServer(('127.0.0.1', 0), {{'/': Up}}, certfile={str(cert)!r}, keyfile={str(key)!r})\n"
    )
    control = tmp_path / "control.sock"
    server = serve(tmp_path / "app.py", "--workers", "1", "--control", str(control))
    server.wait_for("worker 0 .* is ready")
    with ControlClient(control) as asking:
        reply = asking.ask("renew", 10, wait=True)
        assert (reply["ok"], reply["text"]) == (False, "the application takes nothing on without a reload")
        (fact,) = asking.ask("status", 10)["status"]["facts"]["certificates"]
        assert fact["names"] == ["localhost"]
