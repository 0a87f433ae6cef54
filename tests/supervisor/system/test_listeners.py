from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from webpy.supervisor import BindError
from webpy.supervisor.system.listeners import Listener, handed_over, inherited, open_listeners, schemes_of
from webpy.supervisor.system.socketaccess import SocketAccess


@contextmanager
def listening(*binds: str, access: SocketAccess | None = None) -> Iterator[list[Listener]]:
    listeners = open_listeners(binds, 16, access or SocketAccess())
    try:
        yield listeners
    finally:
        for listener in listeners:
            listener.close()


def connect(listener: Listener) -> None:
    with socket.socket(listener.socket.family) as client:
        client.settimeout(5)
        client.connect(listener.socket.getsockname())
        listener.socket.setblocking(True)
        listener.socket.accept()[0].close()


@pytest.mark.parametrize(
    ("bind", "address"),
    [
        ("127.0.0.1:0", "127.0.0.1:{port}"),
        ("localhost:0", "127.0.0.1:{port}"),
        (":0", "0.0.0.0:{port}"),
        ("*:0", "0.0.0.0:{port}"),
        ("[::1]:0", "[::1]:{port}"),
    ],
)
def test_tcp(bind: str, address: str) -> None:
    with listening(bind) as (listener,):
        assert listener.address == address.format(port=listener.socket.getsockname()[1])
        assert listener.socket.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        assert not listener.socket.getblocking()
        assert not os.get_inheritable(listener.socket.fileno())
        connect(listener)


def test_v6_is_v6_only_so_that_both_can_be_had() -> None:
    with listening("0.0.0.0:0") as (four,), listening(f"[::]:{four.socket.getsockname()[1]}") as (six,):
        assert six.socket.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


def test_several_in_order() -> None:
    with listening("127.0.0.1:0", "[::1]:0") as (four, six):
        assert (four.socket.family, six.socket.family) == (socket.AF_INET, socket.AF_INET6)


@pytest.mark.parametrize(
    ("bind", "reason"),
    [
        ("8000", "HOST:PORT"),
        ("localhost:", "HOST:PORT"),
        ("localhost:http", "HOST:PORT"),
        ("localhost:65536", "HOST:PORT"),
        ("localhost:-1", "HOST:PORT"),
        ("::1:80", "brackets"),
        ("no.such.name.invalid:80", ""),
        ("192.0.2.1:0", "Cannot assign requested address"),
        ("unix:", "a path is wanted"),
        ("unix:/no/such/folder/socket", "No such file"),
        ("fd:x", "a descriptor's number"),
        ("fd:987", "descriptor 987: Bad file descriptor"),
    ],
)
def test_what_cannot_be_bound_says_which_and_why(bind: str, reason: str) -> None:
    with pytest.raises(BindError) as caught:
        open_listeners([bind], 16, SocketAccess())
    assert repr(bind) in str(caught.value)
    assert reason in str(caught.value)


def test_one_in_use_closes_the_others_again(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with listening("127.0.0.1:0") as (taken,), pytest.raises(BindError, match="Address already in use"):
        open_listeners([f"unix:{path}", taken.address], 16, SocketAccess())
    assert not path.exists()


def test_unix_file_from_making_to_removal(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with listening(f"unix:{path}", access=SocketAccess(umask=0o117)) as (listener,):
        assert listener.address == f"unix:{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        connect(listener)
    assert not path.exists()


def test_unix_mode_is_by_the_umask(tmp_path: Path) -> None:
    umask = os.umask(0o027)
    try:
        with listening(f"unix:{tmp_path}/socket"):
            assert stat.S_IMODE((tmp_path / "socket").stat().st_mode) == 0o640
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(umask)


def test_a_stale_unix_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    with listening(f"unix:{path}") as (listener,):
        connect(listener)


def test_a_unix_socket_in_use_is_an_error_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with listening(f"unix:{path}") as (listener,):
        with pytest.raises(BindError, match="already in use"):
            open_listeners([f"unix:{path}"], 16, SocketAccess())
        connect(listener)


def test_a_file_in_the_way_is_an_error_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(BindError, match="no socket"):
        open_listeners([f"unix:{path}"], 16, SocketAccess())
    assert path.read_text() == "data"


def test_a_file_that_another_process_made_since_is_left(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    (first,) = open_listeners([f"unix:{path}"], 16, SocketAccess())
    path.unlink()
    with listening(f"unix:{path}"):
        first.close()
        assert path.exists()


def test_abstract_unix() -> None:
    with listening(f"unix:@webpy-test-{os.getpid()}") as (listener,):
        assert listener.address == f"unix:@webpy-test-{os.getpid()}"
        connect(listener)


def test_a_descriptor() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        address = "{}:{}".format(*sock.getsockname())
        with listening(f"fd:{os.dup(sock.fileno())}") as (listener,):
            assert listener.address == address
            connect(listener)


def test_a_descriptor_that_is_no_stream_socket() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock, pytest.raises(BindError, match="stream socket is wanted"):
        open_listeners([f"fd:{os.dup(sock.fileno())}"], 16, SocketAccess())


def test_handed_over() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        (listener,) = handed_over([sock], 16)
        assert listener.bind == f"fd:{sock.fileno()}"
        connect(listener)
        (listener,) = handed_over([sock], 16, ["localhost:0"])
        assert listener.bind == "localhost:0"


def test_existing_ones_are_kept(tmp_path: Path) -> None:
    with listening("127.0.0.1:0") as before:
        after = open_listeners(["127.0.0.1:0", f"unix:{tmp_path}/socket"], 16, SocketAccess(), before)
        assert after[0] is before[0]
        after[1].close()


def test_two_existing_ones_of_port_0_are_kept() -> None:
    with listening("127.0.0.1:0", "127.0.0.1:0") as before:
        assert open_listeners(["127.0.0.1:0", "127.0.0.1:0"], 16, SocketAccess(), before) == before


@pytest.mark.parametrize(
    ("binds", "schemes", "expected"),
    [
        (["127.0.0.1:0", "127.0.0.1:0"], ["a", "b"], ["a", "b"]),  # by order
        (["127.0.0.1:0", "127.0.0.1:0"], [], ["", ""]),
        (["127.0.0.1:{1}", "127.0.0.1:{0}"], ["a", "b"], ["b", "a"]),  # by address
        (["0.0.0.0:{1}", "[::]:{0}"], ["a", "b"], ["b", "a"]),  # by port
        (["0.0.0.0:{1}", "127.0.0.1:{1}"], ["a", "b"], ["", "b"]),  # an address before a port
        (["fd:3", "unix:/run/x"], ["a", "b"], ["", ""]),
    ],
)
def test_what_is_spoken_where(binds: list[str], schemes: list[str], expected: list[str]) -> None:
    with listening("127.0.0.1:0", "127.0.0.1:0") as listeners:
        ports = [listener.socket.getsockname()[1] for listener in listeners]
        assert schemes_of(listeners, [bind.format(*ports) for bind in binds], schemes) == expected


def test_a_service_managers_sockets() -> None:
    program = (
        "import os, socket, sys; from webpy.supervisor.system.listeners import inherited\n"
        "os.environ['LISTEN_PID'] = str(os.getpid())\n"
        "print(*[l.address for l in inherited(os.environ, 16)])\n"
    )
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        address = "{}:{}".format(*sock.getsockname())

        def third() -> None:
            os.dup2(sock.fileno(), 3)

        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "LISTEN_FDS": "1"},
            preexec_fn=third,
            close_fds=False,
            capture_output=True,
            text=True,
            timeout=20,
            cwd=Path(__file__).parents[3],
        )
    assert done.stdout.strip() == address, done.stderr


@pytest.mark.parametrize("environment", [{}, {"LISTEN_FDS": "1", "LISTEN_PID": "1"}, {"LISTEN_FDS": "x"}])
def test_sockets_for_another_process_are_not_ours(environment: dict[str, str]) -> None:
    assert inherited(environment, 16) == []
