"""`--socket-mode` and `--socket-group`: who may connect to a unix listener, at the start, reloads and upgrades."""

from __future__ import annotations

import grp
import os
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import Server

pytestmark = pytest.mark.slow

Start = Callable[..., Server]

ROOT = os.geteuid() == 0
# A group that is not the test's own, where there is one that it may give to a file.
GROUP = "daemon" if ROOT else grp.getgrgid((os.getgroups() or [os.getegid()])[0]).gr_name


APP = """
import webpy as web

class Hello(web.HTTPHandler):
    def do_get(self):
        return 200, "hello"

routes = {"/": Hello}
"""


@pytest.fixture
def start(serve: Start, tmp_path: Path) -> Start:
    (tmp_path / "app.py").write_text(APP)
    return lambda *options, **keywords: serve("app.py", *options, **keywords)


@pytest.fixture
def listening(start: Start) -> Start:
    """Gives `listening(*options) -> Server`, on the unix socket `web` in its folder."""

    def listening(*options: str, **keywords: object) -> Server:
        server: Server = start(*options, bind="unix:web", **keywords)
        return server

    return listening


def access(server: Server, name: str = "web") -> tuple[str, int]:
    found = (server.cwd / name).lstat()
    assert stat.S_ISSOCK(found.st_mode)
    return f"{found.st_mode & 0o777:o}", found.st_gid


def gid(name: str = GROUP) -> int:
    return grp.getgrnam(name).gr_gid


def own_umask() -> int:
    umask = os.umask(0o77)
    os.umask(umask)
    return umask


@pytest.mark.parametrize("workers", ["1", "2"])
def test_mode_and_group_are_as_given(listening: Start, workers: str) -> None:
    server = listening("--socket-mode", "0660", "--socket-group", GROUP, "--umask", "077", "--workers", workers)
    assert access(server) == ("660", gid())
    assert server.get("/").status == 200
    assert server.stop() == 0
    assert not (server.cwd / "web").exists()


@pytest.mark.parametrize(("options", "mode"), [((), 0o666 & ~own_umask()), (("--umask", "007"), 0o660)])
def test_by_default_it_is_666_less_the_umask(listening: Start, options: tuple[str, ...], mode: int) -> None:
    assert access(listening(*options)) == (f"{mode:o}", os.getegid())


def test_more_than_the_umask_allows(listening: Start) -> None:
    """A mode that is given is exact: a socket for everybody under a umask for nobody."""
    assert access(listening("--socket-mode", "666", "--umask", "077"))[0] == "666"


def write(folder: Path, text: str) -> None:
    (folder / "webpy.toml").write_text(text)


def test_a_reload_changes_the_file_that_is_there(listening: Start, tmp_path: Path) -> None:
    write(tmp_path, 'socket_mode = "600"\n')
    server = listening("--umask", "027")
    before = (tmp_path / "web").stat().st_ino
    assert access(server) == ("600", os.getegid())

    write(tmp_path, f'socket_mode = "660"\nsocket_group = "{GROUP}"\n')
    server.send(signal.SIGHUP)
    server.wait_for("reload done: generation 2 serves")
    assert access(server) == ("660", gid())

    write(tmp_path, f'socket_mode = "444"\nsocket_group = "{GROUP}"\n')
    server.send(signal.SIGHUP)
    server.wait_for("socket_mode.*got '444', wanted a bit of 222: connecting needs write permission")
    write(tmp_path, 'socket_mode = "666"\nsocket_group = "no-such-group"\n')
    server.send(signal.SIGHUP)
    server.wait_for("socket_group.*got 'no-such-group', wanted the name or number of a group of this system")
    assert access(server) == ("660", gid()), "a reload that fails changes nothing"

    write(tmp_path, "")
    server.send(signal.SIGHUP)
    server.wait_for("reload done: generation ")
    server.wait_for("reload done: generation ", count=2)
    assert access(server)[0] == "640", "the default again"
    assert access(server)[1] == (os.getegid() if ROOT else gid())
    assert (tmp_path / "web").stat().st_ino == before, "it is the same socket"
    assert server.get("/").status == 200


def test_a_mode_that_the_operator_changed_survives_a_reload_that_changes_nothing(listening: Start) -> None:
    server = listening("--socket-mode", "600")
    (server.cwd / "web").chmod(0o622)
    server.send(signal.SIGHUP)
    server.wait_for("reload done: generation 2 serves")
    assert access(server)[0] == "622"


def test_an_upgrade_keeps_it_and_a_reload_afterwards_changes_it(listening: Start, tmp_path: Path) -> None:
    write(tmp_path, f'socket_mode = "620"\nsocket_group = "{GROUP}"\n')
    server = listening()
    server.send(signal.SIGUSR2)
    server.wait_for("upgrade done")
    assert access(server) == ("620", gid())
    write(tmp_path, f'socket_mode = "606"\nsocket_group = "{GROUP}"\n')
    server.send(signal.SIGHUP)
    server.wait_for("reload done: generation 2 serves")
    assert access(server) == ("606", gid())
    assert server.stop() == 0
    assert not (tmp_path / "web").exists()


def test_another_file_in_its_place_is_left_alone(listening: Start, tmp_path: Path) -> None:
    write(tmp_path, 'socket_mode = "600"\n')
    server = listening()
    (tmp_path / "web").unlink()
    (tmp_path / "precious").write_text("")
    (tmp_path / "precious").chmod(0o644)
    (tmp_path / "web").symlink_to("precious")
    write(tmp_path, 'socket_mode = "666"\n')
    server.send(signal.SIGHUP)
    server.wait_for("reload done: generation 2 serves")
    server.wait_for("unix:web: its mode and group are not changed|unix:.*web: its mode and group are not changed")
    assert (tmp_path / "precious").stat().st_mode & 0o777 == 0o644


def test_the_socket_of_the_admin_process_is_not_opened_with_it(listening: Start) -> None:
    server = listening("--socket-mode", "666", "--admin", "unix:admin", "--umask", "077")
    assert access(server)[0] == "666"
    assert access(server, "admin")[0] == "600"


@pytest.mark.parametrize("variable", ["LISTEN_FDS", "fd"])
def test_sockets_of_a_service_manager_stay_as_they_are(start: Start, tmp_path: Path, variable: str) -> None:
    """The manager made the file, with mode and group of its own (SocketMode=, SocketGroup= of a .socket unit)."""
    program = """
import os, socket, sys
sock = socket.socket(socket.AF_UNIX)
os.umask(0o137)
sock.bind("web")
sock.listen()
os.dup2(sock.fileno(), 3)
os.set_inheritable(3, True)
if sys.argv[1] == "LISTEN_FDS":
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.executable, [sys.executable, "-m", "webpy.cli", "serve", *sys.argv[2:]])
"""
    options = ("--socket-mode", "666", "--socket-group", GROUP)
    server = start(
        *options,
        bind="fd:3" if variable == "fd" else "unix:other",
        program=(sys.executable, "-c", program, variable),
    )
    # made with 0777 less the umask, by the one that bound it
    assert access(server) == ("640", os.getegid())
    server.send(signal.SIGHUP)
    server.wait_for("reload done: generation 2 serves")
    assert access(server) == ("640", os.getegid())
    assert not (tmp_path / "other").exists()
    assert server.stop() == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--socket-mode", "rw"), "--socket-mode: got 'rw', wanted an octal mode of 000 to 777, such as 660"),
        (("--socket-mode", "888"), "--socket-mode: got '888', wanted an octal mode of 000 to 777, such as 660"),
        (("--socket-mode", "1666"), "--socket-mode: got '1666', wanted an octal mode of 000 to 777, such as 660"),
        (("--socket-mode", "440"), "--socket-mode: got '440', wanted a bit of 222: connecting needs write permission"),
        (("--socket-group", "no-such"), "--socket-group: got 'no-such', wanted the name or number of a group"),
    ],
)
def test_bad_values_end_the_start(listening: Start, options: tuple[str, ...], words: str) -> None:
    server = listening(*options, loads=False)
    assert server.wait() == 2
    assert words in "\n".join(server.errors)
    assert not (server.cwd / "web").exists()


def test_without_a_unix_listener_it_is_said_that_they_do_nothing(start: Start) -> None:
    server = start("--socket-mode", "660", "--socket-group", GROUP)
    for name in ("mode", "group"):
        assert f"webpy: warning: --socket-{name}: has no effect without unix:PATH in bind" in server.errors
