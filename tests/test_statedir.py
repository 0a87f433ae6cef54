"""Where webpy keeps its own files by default, and that no handler ever sends them."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import Server
from webpy import statedir, store

Serve = Callable[..., Server]

APP = """
import webpy as web
import webpy.auth, webpy.file, webpy.objects, webpy.session, webpy.store

notes = webpy.store.open()

class Note(web.HTTPHandler):
    def do_get(self):
        notes['a'] = b'secret'
        return 200, notes['a']

class Session(webpy.session.SessionMixIn):
    def do_get(self):
        self.session['a'] = 1
        return 200, 'ok'

class Digest(webpy.auth.DigestAuthHandler):
    def password(self, user):
        return 'secret'

    def do_get(self):
        return 200, 'ok'

routes = {'/note': Note, '/session': Session, '/digest': Digest, **webpy.file.new('.', '/files', dir_index=True)}
"""
NAMES = ["webpy-auth.sqlite3", "webpy-sessions.sqlite3", "webpy-store.sqlite3"]


@pytest.fixture(autouse=True)
def nothing_noted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(statedir, "_private", {})
    monkeypatch.setattr(statedir, "_pidfile_folder", None)
    monkeypatch.chdir(tmp_path)
    for name in ("STATE_DIRECTORY", "XDG_STATE_HOME", "WEBPY_STORE"):
        monkeypatch.delenv(name, raising=False)


def databases(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.sqlite3"))


class TestDirectory:
    def test_of_systemd_it_is_the_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}/a:{tmp_path}/b")
        monkeypatch.setenv("XDG_STATE_HOME", f"{tmp_path}/c")
        assert statedir.directory() == f"{tmp_path}/a"
        assert stat.S_IMODE(os.stat(tmp_path / "a").st_mode) == 0o700

    def test_of_xdg_it_is_one_for_each_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", f"{tmp_path}/state")
        found = []
        for name in ("one", "two", "odd ?#name"):
            (tmp_path / name).mkdir()
            monkeypatch.chdir(tmp_path / name)
            found.append(statedir.directory())
            assert found[-1].startswith(f"{tmp_path}/state/webpy/{name[:3]}")
            store.open()
        assert len(set(found)) == 3

    def test_a_relative_xdg_is_none(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", "state")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert statedir.directory().startswith(f"{tmp_path}/.local/state/webpy/")

    def test_beside_the_pidfile(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("XDG_STATE_HOME", f"{tmp_path}/file")
        (tmp_path / "run").mkdir()
        statedir.set_pidfile(f"{tmp_path}/run/w.pid")
        assert statedir.directory() == f"{tmp_path}/run/webpy-state"

    def test_none_says_what_was_tried(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}/file")
        with pytest.raises(store.StoreError) as caught:
            store.open()
        for word in (f"{tmp_path}/file", "STATE_DIRECTORY", "WEBPY_STORE"):
            assert word in str(caught.value)


class TestWhatWasKeptInTheCurrentFolder:
    def test_it_is_used_on_with_a_warning(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        with store.open(f"sqlite:///{tmp_path}/webpy-store.sqlite3") as old:
            old["a"] = b"old"
        monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}/state")
        with store.open() as found:
            assert found["a"] == b"old"
        for word in (f"{tmp_path}/webpy-store.sqlite3 is used", f"{tmp_path}/state"):
            assert word in caplog.text

    def test_with_a_new_one_it_is_not(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}/state")
        with store.open() as new:
            new["a"] = b"new"
        assert not caplog.text
        with store.open(f"sqlite:///{tmp_path}/webpy-store.sqlite3") as old:
            old["a"] = b"old"
        with store.open() as found:
            assert found["a"] == b"new"
        assert "is not used" in caplog.text


class TestOurs:
    @pytest.mark.parametrize(
        "name",
        [
            "webpy.toml",
            *(f"webpy-{name}.sqlite3{end}" for name in ("store", "cache") for end in ("", "-wal", "-shm", ".lock")),
        ],
    )
    def test_by_name(self, name: str) -> None:
        assert statedir.is_private(name.encode()) and statedir.is_private(b"/srv/" + name.encode())

    @pytest.mark.parametrize("name", ["webpy", "webpy.toml.txt", "my-webpy.toml", "webpy-notes.sqlite3", "a.sqlite3"])
    def test_others(self, name: str) -> None:
        assert not statedir.is_private(name.encode()) and not statedir.is_private(b"/srv/" + name.encode())

    def test_what_a_store_uses(self, tmp_path: Path) -> None:
        store.open(f"sqlite:///{tmp_path}/a.db")
        store.open(f"file:///{tmp_path}/keys")
        for name in ("a.db", "a.db-wal", "a.db.lock", "keys", "keys/ab/cd"):
            assert statedir.is_private(os.fsencode(tmp_path / name))
        for name in ("a.dbx", "b.db", "keys2"):
            assert not statedir.is_private(os.fsencode(tmp_path / name))


def fill(folder: Path) -> list[str]:
    """Files that nobody shall have; gives their names."""
    names = ["webpy.toml", "webpy-sessions.sqlite3", "webpy-sessions.sqlite3-wal", ".env"]
    for name in names:
        (folder / name).write_text("secret")
    (folder / "page.txt").write_text("page")
    (folder / "link.txt").symlink_to("webpy.toml")
    return names


def test_webpy_files_serves_none_of_ours(tmp_path: Path, serve: Serve) -> None:
    folder = tmp_path / "www"
    folder.mkdir()
    names = fill(folder)
    server = serve(folder, program=(sys.executable, "-m", "webpy.cli", "files"))
    assert server.get("/page.txt").body == b"page"
    listing = server.get("/").body
    assert b"page.txt" in listing
    for name in [*names, "link.txt"]:
        assert server.get(f"/{name}").status == 404, name
        assert name.encode() not in listing
    for name in ("webpy%2Etoml", "%77ebpy.toml", "./webpy.toml"):
        assert server.get(f"/{name}").status in (400, 404), name


def test_python_m_webpy_serves_dotfiles_and_none_of_ours(tmp_path: Path, serve: Serve) -> None:
    names = fill(tmp_path)
    server = serve("0", "--bind", "127.0.0.1", program=(sys.executable, "-m", "webpy"), bind=None)
    assert server.get("/.env").body == b"secret"
    for name in names:
        if name != ".env":
            assert server.get(f"/{name}").status == 404, name
    assert server.get("/link.txt").status == 404


def test_no_database_appears_in_the_folder_that_is_served(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "app.py").write_text(APP)
    kept = tmp_path / "kept"
    server = serve("app.py", "--workers", "2", env={"STATE_DIRECTORY": str(kept)})
    assert [server.get(path).status for path in ("/note", "/session", "/digest")] == [200, 200, 401]
    assert databases(kept) == NAMES
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    assert not list(tmp_path.glob("*.sqlite3*"))
    listing = server.get("/files/").body
    assert b"app.py" in listing
    for name in NAMES:  # even where the state directory is a part of what is served
        assert server.get(f"/files/kept/{name}").status == 404


def test_a_store_by_any_name_is_not_sent(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "app.py").write_text(APP.replace("webpy.store.open()", "webpy.store.open('sqlite:///data.db')"))
    server = serve("app.py", "--workers", "1")
    assert server.get("/note").body == b"secret"
    listing = server.get("/files/").body
    for name in ("data.db", "data.db-wal"):
        assert (tmp_path / name).exists()
        assert server.get(f"/files/{name}").status == 404
        assert name.encode() not in listing
    os.symlink("data.db", tmp_path / "other")
    assert server.get("/files/other").status == 404


def test_settings_by_any_name_are_not_sent(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "prod.toml").write_text('admin_token = "secret"\n')
    server = serve("app.py", "--workers", "1", "--config", "prod.toml")
    assert server.get("/files/prod.toml").status == 404


def test_without_anything_said_it_is_below_the_home(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "app.py").write_text(APP)
    home = tmp_path / "home"
    home.mkdir()
    server = serve("app.py", "--workers", "1", env={"STATE_DIRECTORY": "", "XDG_STATE_HOME": "", "HOME": str(home)})
    assert server.get("/note").status == 200
    assert databases(home / ".local" / "state" / "webpy") == ["webpy-store.sqlite3"]


def test_an_old_database_is_used_on(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "app.py").write_text(APP)
    with store.open(f"sqlite:///{tmp_path}/webpy-store.sqlite3") as old:
        old["b"] = b"old"
    server = serve("app.py", "--workers", "1", env={"STATE_DIRECTORY": str(tmp_path / "kept")})
    server.wait_for(r"\[warning\] .*webpy-store.sqlite3 is used, where earlier versions kept it: move it")
    assert server.get("/note").status == 200
    with sqlite3.connect(tmp_path / "webpy-store.sqlite3") as database:
        assert database.execute("SELECT count(*) FROM webpy_store").fetchone() == (2,)
    database.close()
