"""The folder of secrets: modes, links, whole files, the lock."""

from __future__ import annotations

import os
import shutil
import signal
import stat
from pathlib import Path

import pytest

from webpy.acme.folder import Folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_the_owner_can_read(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with Folder(str(tmp_path), "acme", "one") as folder, folder.locked():
            folder.write("key.pem", b"secret")
    finally:
        os.umask(before)
    assert mode(tmp_path / "acme") == mode(tmp_path / "acme" / "one") == 0o700
    assert mode(tmp_path / "acme" / "one" / "key.pem") == 0o600
    assert mode(tmp_path / "acme" / "one" / "lock") == 0o600


def test_an_open_folder_is_closed_to_others(tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme").chmod(0o755)
    with Folder(str(tmp_path), "acme"):
        assert mode(tmp_path / "acme") == 0o700


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    with Folder(str(tmp_path), "acme") as folder:
        assert folder.read("key.pem") is None
        for content in (b"one", b"two"):
            folder.write("key.pem", content)
            assert folder.read("key.pem") == content
        assert folder.names() == ["key.pem"]


def test_what_a_killed_process_left_is_written_over(tmp_path: Path) -> None:
    with Folder(str(tmp_path), "acme") as folder:
        (tmp_path / "acme" / "key.pem.new").write_bytes(b"half of")
        folder.write("key.pem", b"whole")
        assert folder.names() == ["key.pem"]


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with Folder(str(tmp_path), "acme") as folder:
        folder.write("key.pem", b"one")
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            folder.write("key.pem", b"two")
        assert folder.read("key.pem") == b"one"
        assert folder.names() == ["key.pem"]


def test_no_link_is_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"root's")
    with Folder(str(tmp_path), "acme") as folder:
        (tmp_path / "acme" / "key.pem").symlink_to(outside)
        with pytest.raises(OSError, match="symbolic links"):
            folder.read("key.pem")
        folder.write("key.pem", b"new")  # over the link, not through it
        assert (folder.read("key.pem"), outside.read_bytes()) == (b"new", b"root's")
        (tmp_path / "acme" / "lock").symlink_to(outside)
        with pytest.raises(OSError, match="symbolic links"), folder.locked():
            pass


def test_no_folder_is_entered_over_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "acme").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="Not a directory"):
        Folder(str(tmp_path), "acme", "one")
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("kind", ["fifo", "folder"])
def test_only_files_are_read(tmp_path: Path, kind: str) -> None:
    with Folder(str(tmp_path), "acme") as folder:
        (os.mkfifo if kind == "fifo" else os.mkdir)(tmp_path / "acme" / "key.pem")
        with pytest.raises(OSError, match="not a file"):
            folder.read("key.pem")


def test_a_missing_folder_is_made_only_if_asked(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Folder(str(tmp_path), "acme", make=False)


def test_the_lock_ends_with_its_holder(tmp_path: Path) -> None:
    """A process that has it is killed: the next one gets it."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        with Folder(str(tmp_path), "acme") as folder, folder.locked():
            os.write(writer, b"x")
            signal.pause()
        os._exit(1)
    assert os.read(reader, 1) == b"x"
    os.kill(pid, signal.SIGKILL)
    with Folder(str(tmp_path), "acme") as folder, folder.locked():
        folder.write("key.pem", b"mine")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    os.close(reader)
    os.close(writer)


def test_a_removed_folder_is_opened_again(tmp_path: Path) -> None:
    with Folder(str(tmp_path), "acme") as folder:
        folder.write("key.pem", b"one")
        shutil.rmtree(tmp_path / "acme")
        with pytest.raises(FileNotFoundError):
            folder.write("key.pem", b"two")
        folder.reopen()
        folder.write("key.pem", b"two")
        assert (tmp_path / "acme" / "key.pem").read_bytes() == b"two"
