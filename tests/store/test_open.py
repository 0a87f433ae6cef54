"""webpy.store.open: which URL gives which kind, and the messages for bad ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from webpy import store
from webpy.store import FileStore, MemoryStore, SQLiteStore, StoreError


def test_open_finds_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WEBPY_STORE", raising=False)
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}/state")
    (tmp_path / "sub").mkdir()
    opened = [store.open(), store.open("sqlite:///sub/b.db"), store.open(f"sqlite:///{tmp_path}/c.db")]
    opened += [store.open("file:///sub/f"), store.open(f"file:///{tmp_path}/g")]
    monkeypatch.setenv("WEBPY_STORE", "sqlite:///d.db")
    opened.append(store.open())
    monkeypatch.chdir("/")
    for each in opened:
        each["a"] = b"1"
        each.close()
    for name in ("state/webpy-store.sqlite3", "sub/b.db", "c.db", "d.db"):
        assert (tmp_path / name).is_file(), name
    for name in ("sub/f", "g"):
        assert (tmp_path / name / "webpy-store").is_file(), name


def test_each_kind() -> None:
    from webpy.store.memcached import MemcachedStore
    from webpy.store.redis import RedisStore

    kinds = {
        "memory:": MemoryStore,
        "sqlite:////tmp/a": SQLiteStore,
        "file:////tmp/a-store": FileStore,
        "redis://localhost": RedisStore,
        "redis://user:secret@[::1]:7000/3?prefix=": RedisStore,
        "rediss://localhost:6380?ssl_cert_reqs=none": RedisStore,
        "unix:///run/redis.sock?db=2&prefix=a%20b": RedisStore,
        "memcached://localhost": MemcachedStore,
        "memcached://[::1]:1234?prefix=a": MemcachedStore,
        "memcached:///run/memcached.sock": MemcachedStore,
    }
    for url, kind in kinds.items():
        with store.open(url) as opened:
            assert type(opened) is kind, url
            assert "secret" not in repr(opened)
            assert opened.path == ("/" + url.partition("////")[2] if kind in (SQLiteStore, FileStore) else None)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "notes.db",
        "http://localhost",
        "sqlite:",
        "sqlite:/a",
        "memory",
        "memory://",
        "SQLITE:///a",
        "redis:",
        "file:/a",
    ],
)
def test_a_url_it_does_not_know_is_named(url: str) -> None:
    with pytest.raises(ValueError, match="wanted sqlite:///PATH, redis://HOST") as caught:
        store.open(url)
    assert repr(url) in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///", "sqlite://a/b", "sqlite:///a?mode=ro", "file://", "file:///", "file://host/dir",
     "file:///a#b", "memcached://", "memcached://host/path", "memcached://host:port", "memcached://host?x=1",
     "memcached://host?prefix=%20", "redis://host?prefx=1", "redis://host:port", "redis://host?db=x",
     "redis://host?socket_timeout=99", "redis://host?retry_on_timeout=1", "redis://host/db"],
)  # fmt: skip
def test_a_url_that_is_wrong_says_what_was_wanted(url: str) -> None:
    with pytest.raises(ValueError, match="store .*wanted|store .*Invalid|store .*Port"):
        store.open(url)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://user:secret@host",
        "redis://user:secret@host?x=1",
        "redis://user:secret@h:x",
        "memcached://user:secret@host",
        "memcached://user:secret@host?x=1",
    ],
)
def test_no_password_in_a_message(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        store.open(url)
    assert "secret" not in str(caught.value) and "secret" not in repr(caught.value.__cause__)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    for scheme in ("sqlite", "file"):
        with pytest.raises(FileNotFoundError, match="there is no directory"):
            store.open(f"{scheme}:///{tmp_path}/none/a")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="wanted a directory"):
        store.open(f"file:///{tmp_path}/file")


@pytest.mark.parametrize(("url", "package"), [("redis://h", "redis"), ("memcached://h", "pymemcache")])
def test_an_extra_that_is_missing_is_named(url: str, package: str) -> None:
    program = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "import webpy.store\n"
        f"webpy.store.open('memory:')['a'] = b'1'\ntry: webpy.store.open({url!r})\nexcept ImportError as e: print(e)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert f"pip install 'webpy[{'redis' if package == 'redis' else 'memcached'}]'" in said
