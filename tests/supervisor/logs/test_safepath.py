"""Symbolic links that another user has planted; as root, these tests make them belong to the user nobody."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.supervisor.masters import Master, until
from webpy.supervisor.logs.safepath import open_log, resolve_path

Make = Callable[..., Master]

ROOT = os.geteuid() == 0
NOBODY = 65534 if ROOT else os.geteuid()


def planted(link: Path, target: Path | str) -> Path:
    link.symlink_to(target)
    os.chown(link, NOBODY, -1, follow_symlinks=False)
    return link


def theirs(folder: Path) -> Path:
    """A folder that an attacker may write to."""
    folder.mkdir()
    os.chown(folder, NOBODY, -1)
    return folder


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "victim"
    path.write_text("precious\n")
    return path


def written(path: Path) -> bool:
    """Whether the log at `path` can be had; what it leads to is not changed by that."""
    try:
        os.close(open_log(str(path)))
    except PermissionError as error:
        assert "symbolic link" in str(error) or "hard link" in str(error)
        return False
    return True


def test_a_planted_link_is_not_followed(tmp_path: Path, victim: Path) -> None:
    folder = theirs(tmp_path / "logs")
    assert written(planted(folder / "log", victim)) is not ROOT
    assert written(planted(folder / "to-new", tmp_path / "new")) is not ROOT
    assert (tmp_path / "new").exists() is not ROOT
    assert written(planted(tmp_path / "folder", tmp_path) / "victim") is not ROOT
    inner = planted(folder / "inner", "log")
    ours = tmp_path / "ours"
    ours.symlink_to(inner)
    assert written(ours) is not ROOT, "a link of ours to one of theirs"


def test_links_of_ones_own_and_of_root_are_followed(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to(tmp_path / "folder" / ".." / "log")
    (tmp_path / "folder").mkdir()
    with os.fdopen(open_log(str(tmp_path / "a")), "w") as log:
        log.write("line\n")
    assert (tmp_path / "log").read_text() == "line\n"


def test_a_link_to_what_is_the_same_users_is_followed(tmp_path: Path) -> None:
    folder = theirs(tmp_path / "release")
    current = planted(tmp_path / "current", folder)
    with os.fdopen(open_log(str(current / "log")), "w") as log:
        log.write("line\n")
    os.chown(folder / "log", NOBODY, -1)
    assert written(current / "log") and written(planted(tmp_path / "direct", folder / "log"))
    assert (folder / "log").read_text() == "line\n"


def test_standard_streams_and_devices(tmp_path: Path) -> None:
    code = (
        "import os, sys; from webpy.supervisor.logs.safepath import open_log; "
        "os.write(open_log(sys.argv[1]), b'x')"
    )
    for path in ("/dev/stdout", "/proc/self/fd/1", "/dev/fd/1"):
        done = subprocess.run(["python", "-c", code, path], stdout=subprocess.PIPE, check=True)
        assert done.stdout == b"x", path
    os.close(open_log("/dev/null"))


def test_what_is_no_log(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError) as caught:
        open_log(str(tmp_path / "fifo"))
    assert caught.value.errno == errno.ENXIO, "nobody reads it, and nothing waits for that"
    assert "that no process reads" in str(caught.value)
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    os.close(open_log(str(tmp_path / "fifo")))
    os.close(reader)
    (tmp_path / "loop").symlink_to("loop")
    for path, number in (("/", errno.EISDIR), (f"{tmp_path}/.", errno.EISDIR), (f"{tmp_path}/loop", errno.ELOOP)):
        with pytest.raises(OSError) as caught:
            open_log(path)
        assert caught.value.errno == number
    with pytest.raises(FileNotFoundError):
        open_log(str(tmp_path / "no" / "log"))


def test_a_hard_link_in_a_folder_of_others(tmp_path: Path, victim: Path) -> None:
    os.link(victim, tmp_path / "second")
    assert written(tmp_path / "second"), "a backup of ours"
    (tmp_path / "shared").mkdir()
    os.chmod(tmp_path / "shared", 0o777)
    os.link(victim, tmp_path / "shared" / "log")
    assert not written(tmp_path / "shared" / "log")


def test_the_folder_is_let_go_of(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    for number in range(3):
        os.close(open_log(str(tmp_path / f"log{number}")))
        resolve_path(str(tmp_path / "x")).close()
        with pytest.raises(OSError):
            open_log(str(tmp_path / "no" / "log"))
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_link_planted_after_rotation_is_not_written_through(master: Make, tmp_path: Path, victim: Path) -> None:
    folder = theirs(tmp_path / "logs")
    log = folder / "access.log"
    served = master(config={"access_log": str(log)}).start().started()
    served.ask("before")
    until(lambda: log.read_text(), "its record")
    log.rename(folder / "access.log.1")
    planted(log, victim)
    served.process.send_signal(10)
    said = "cannot reopen the access log: a symbolic link of uid 65534 leads" if ROOT else "log files reopened"
    served.wait_for(said)
    served.ask("after")
    assert served.stop() == 0
    if ROOT:
        assert victim.read_text() == "precious\n"
        records = (folder / "access.log.1").read_text().splitlines()
        assert [line.split(" by ")[0] for line in records] == ["before", "after"]


def test_a_unix_sockets_file_is_made_with_its_mode_and_owner(master: Make, tmp_path: Path) -> None:
    folder = theirs(tmp_path / "run")
    path = folder / "socket"
    config = {"binds": ["127.0.0.1:0", f"unix:{path}"], **({"user": "nobody", "umask": 0o007} if ROOT else {})}
    served = master(config=config).start().started()
    found = path.lstat()
    assert (found.st_mode & 0o777, found.st_uid) == ((0o660, NOBODY) if ROOT else (0o666 & ~umask(), os.geteuid()))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    assert served.stop() == 0


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
