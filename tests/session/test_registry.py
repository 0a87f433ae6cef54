"""One keeper for each store, and the locks that fit it."""

from __future__ import annotations

from pathlib import Path

import pytest

import webpy.store
from webpy.session import find_keeper
from webpy.session.leases import Leases
from webpy.session.locks import FileLocks, MemoryLocks


def test_one_for_each_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WEBPY_SESSION", raising=False)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    named = f"sqlite:///{tmp_path}/named.sqlite3"
    default = find_keeper(None)
    assert default is find_keeper(None) is find_keeper(f"sqlite:///{tmp_path}/webpy-sessions.sqlite3")
    monkeypatch.setenv("WEBPY_SESSION", named)
    assert find_keeper(None) is find_keeper(named) is not default
    store = webpy.store.open("memory:")
    assert find_keeper(store) is find_keeper(store) is not find_keeper(webpy.store.open("memory:"))


def test_a_bad_url() -> None:
    with pytest.raises(ValueError, match="'nowhere:"):
        find_keeper("nowhere:")


def test_locks(tmp_path: Path) -> None:
    folder = f"file:///{tmp_path}/folder"
    for url, kind in (
        ("memory:", MemoryLocks),
        (f"sqlite:///{tmp_path}/file", FileLocks),
        (folder, FileLocks),
        (f"unix://{tmp_path}/redis.sock", Leases),
        ("memcached://127.0.0.1:1", Leases),
    ):
        assert type(find_keeper(url)._locks) is kind
    find_keeper(folder)._locks.hold("a", 1.0)()
    assert (tmp_path / "folder.lock").is_file()
