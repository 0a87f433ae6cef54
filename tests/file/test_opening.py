"""A tree opens what is inside it, whichever user runs the process."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from webpy.file import opening
from webpy.file.opening import Tree


def test_a_process_that_gave_its_rights_away_is_still_told_where_files_are() -> None:
    """After a change of user, /proc/self/fd belongs to root; links can be checked all the same."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        Path(name, "a.txt").write_text("a")
        Path(name, "out").symlink_to("/etc/passwd")
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                if os.geteuid() == 0:
                    os.setgroups([])
                    os.setresgid(65534, 65534, 65534)
                    os.setresuid(65534, 65534, 65534)
                tree = Tree(name)
                fd, _ = tree.open(tree.path(b"a.txt"))
                try:
                    tree.open(tree.path(b"out"))
                except FileNotFoundError:
                    status = os.read(fd, 9) != b"a"
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_fifo_is_not_even_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer of a FIFO would take us for its reader, and opening a device may have effects."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/dev/null")
    tree = Tree(tmp_path)
    really, opened = os.open, []
    monkeypatch.setattr(opening.os, "open", lambda path, *rest: opened.append(path) or really(path, *rest))
    for name in (b"fifo", b"link"):
        with pytest.raises(FileNotFoundError):
            tree.open(tree.path(name))
    assert opened == []


def test_what_becomes_a_fifo_at_the_last_moment_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    before = os.stat(tmp_path / "file")
    monkeypatch.setattr(opening.os, "stat", lambda path: before)
    with pytest.raises(FileNotFoundError):
        opening.open_found(os.fsencode(tmp_path / "fifo"))


def test_the_root_of_all_may_be_the_root(tmp_path: Path) -> None:
    tree = Tree("/")
    (tmp_path / "a").touch()
    for path in (str(tmp_path / "a"), "/", "/etc"):
        fd, _ = tree.open(os.fsencode(path))
        os.close(fd)
    with pytest.raises(FileNotFoundError):
        tree.open(b"/dev/null")


def test_the_root_itself_may_be_opened_through_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real-not").mkdir()
    (tmp_path / "link").symlink_to("real")
    tree = Tree(tmp_path / "link")
    for name in (b"", b".", b"../real"):  # names have no "..": what counts is where the path leads
        fd, _ = tree.open(tree.path(name))
        os.close(fd)
    for name in (b"..", b"../real-not", b"../../"):
        with pytest.raises(FileNotFoundError):
            tree.open(tree.path(name))


def test_a_relative_root_is_where_the_process_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site").mkdir()
    monkeypatch.chdir(tmp_path)
    tree = Tree("site")
    monkeypatch.chdir("/")
    assert tree.root == os.fsencode(tmp_path / "site")
