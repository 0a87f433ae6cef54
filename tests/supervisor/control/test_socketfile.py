"""The control socket's file: its mode from the first moment, files left behind or of other users, long paths."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from webpy.supervisor.control import socketfile
from webpy.supervisor.control.socketfile import AUTO, SocketFile, connect, create_socket, find_sockets

NAME = "controltest"
GONE = 4_100_000  # above what Linux gives out by default and at most: 2**22 is not reached


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "run"
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(directory))
    return directory


@pytest.fixture
def made() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def keep(made: ExitStack, where: str) -> SocketFile:
    file = create_socket(where, NAME)
    made.callback(file.close)
    return file


def stale(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()


def test_in_the_runtime_directory(runtime: Path, made: ExitStack) -> None:
    umask = os.umask(0)
    try:
        file = keep(made, AUTO)
        assert os.umask(0) == 0
    finally:
        os.umask(umask)
    assert file.path == str(runtime / f"{os.getpid()}.sock")
    assert stat.S_IMODE(os.stat(file.path).st_mode) == 0o600
    assert stat.S_IMODE(runtime.stat().st_mode) == 0o700
    assert not file.socket.get_inheritable() and not file.socket.getblocking()
    assert find_sockets(NAME) == [file.path]
    connect(file.path, 1).close()
    file.close()
    assert not list(runtime.iterdir())
    assert find_sockets(NAME) == []


def test_the_mode_is_there_as_the_file_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between bind and listen somebody looks: a chmod would have come too late."""
    path, seen = tmp_path / "s", []
    listen = socket.socket.listen

    def look(sock: socket.socket, backlog: int) -> None:
        seen.append(stat.S_IMODE(path.stat().st_mode))
        listen(sock, backlog)

    monkeypatch.setattr(socket.socket, "listen", look)
    create_socket(str(path), NAME).close()
    assert seen == [0o600]


def test_what_the_dead_left_is_removed_and_nothing_else(runtime: Path, made: ExitStack) -> None:
    runtime.mkdir(0o700)
    stale(runtime / f"{GONE}.sock")
    stale(runtime / f"{os.getppid()}.sock")  # lives: it may just be about to listen
    stale(runtime / "mine.sock")
    (runtime / f"{GONE + 1}.sock").write_text("no socket")
    live = keep(made, str(runtime / f"{GONE + 2}.sock"))  # as of another PID namespace
    keep(made, AUTO)
    left = {path.name for path in runtime.iterdir()}
    wanted = {str(os.getppid()), "mine", str(GONE + 1), str(GONE + 2), str(os.getpid())}
    assert left == {f"{name}.sock" for name in wanted}
    assert find_sockets(NAME) == sorted([live.path, str(runtime / f"{os.getpid()}.sock")])


def test_a_path_of_its_own(tmp_path: Path, made: ExitStack) -> None:
    path = tmp_path / "control"
    stale(path)
    first = keep(made, str(path))
    with pytest.raises(OSError, match="a running process listens there") as caught:
        create_socket(str(path), NAME)
    assert caught.value.errno == errno.EADDRINUSE and first.is_there()
    (tmp_path / "file").write_text("precious")
    with pytest.raises(FileExistsError, match="a file that is not a socket is there"):
        create_socket(str(tmp_path / "file"), NAME)
    assert (tmp_path / "file").read_text() == "precious"
    with pytest.raises(FileNotFoundError):
        create_socket(str(tmp_path / "gone" / "s"), NAME)


def test_only_what_is_ours_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "control"
    file = create_socket(str(path), NAME)
    path.unlink()
    assert not file.is_there()
    path.write_text("another's")
    file.close()
    assert path.read_text() == "another's"


def test_a_path_too_long_for_an_address(tmp_path: Path, made: ExitStack) -> None:
    folder = tmp_path / ("d" * 120)
    folder.mkdir()
    file = keep(made, str(folder / "s.sock"))
    assert (folder / "s.sock").is_socket()
    connect(file.path, 1).close()
    with pytest.raises(OSError, match="listens there"):
        create_socket(file.path, NAME)
    with pytest.raises(OSError, match=r"its path has \d+ bytes, at most \d+ are possible"):
        create_socket(str(tmp_path / ("n" * 110)), NAME)
    with pytest.raises(OSError, match=r"its path has \d+ bytes"):
        connect(str(tmp_path / ("n" * 110)), 1)


@pytest.mark.parametrize(
    ("mode", "owner", "why"), [(0o770, None, "others may write to it"), (0o700, 65534, "it belongs to uid 65534")]
)
def test_a_directory_that_others_may_change(runtime: Path, mode: int, owner: int | None, why: str) -> None:
    runtime.mkdir()
    if owner is not None:
        if os.geteuid() != 0:
            pytest.skip("only root gives files away")
        os.chown(runtime, owner, owner)
    runtime.chmod(mode)
    with pytest.raises(PermissionError, match=why):
        create_socket(AUTO, NAME)
    assert not list(runtime.iterdir())


def test_a_link_in_the_directorys_place(runtime: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(0o700)
    runtime.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="it is not a directory"):
        create_socket(AUTO, NAME)


def test_which_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/77")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert socketfile._directories("x") == ["/run/x"]
    monkeypatch.setattr(os, "geteuid", lambda: 77)
    assert socketfile._directories("x") == ["/run/user/77/x", "/tmp/x-77"]
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert socketfile._directories("x") == ["/run/user/77/x", "/tmp/x-77"]
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/unit:/run/second")
    assert socketfile._directories("x") == ["/run/unit"]


def test_a_liars_socket_is_not_found(runtime: Path, made: ExitStack) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    runtime.mkdir(0o700)
    file = keep(made, AUTO)
    os.chown(file.path, 65534, -1)
    assert find_sockets(NAME) == [], "it lies under /tmp, where anybody could have made it"
