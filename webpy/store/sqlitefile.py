"""The file of an SQLite store: checks its path, makes it, and connects to it.

Owns its mode, its mark, its table and its pragmas. `connections` calls it, from any thread.
"""

from __future__ import annotations

import os
import sqlite3
import stat

from ..atfork import ForkSafeLock
from ..statedir import user_name
from .base import StoreError

__all__ = ["check", "connect"]

_APPLICATION_ID = 0x77627079  # "wbpy": marks the file as a store
_LAYOUT = 2  # user_version: the layout of the table below
# expires: the end of a key's lifetime in ms since 1970; NULL if it lasts forever
_TABLE = "CREATE TABLE webpy_store (key BLOB PRIMARY KEY, value BLOB NOT NULL, expires INTEGER)"
_FROM_LAYOUT_1 = "ALTER TABLE webpy_store ADD COLUMN expires INTEGER"
_INDEX = "CREATE INDEX webpy_store_expires ON webpy_store (expires) WHERE expires IS NOT NULL"
_WAL_KEPT_BYTES = 64 << 20  # what a burst may leave behind in the -wal file

_creating = ForkSafeLock()


def check(path: str) -> None:
    """Raise FileNotFoundError if the directory does not exist, and StoreError if this user cannot reach it, or if
    `path` is something other than a regular file. Never opens the file: closing it would free SQLite's locks in this
    process.
    """
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"store {path!r}: there is no directory {folder!r}")
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    except PermissionError as error:
        raise StoreError(f"store {path!r}: user {user_name(os.geteuid())} cannot reach it: {error.strerror}") from None
    if stat.S_ISLNK(mode):
        raise StoreError(f"store {path!r}: is a symbolic link; wanted a regular file")
    if not stat.S_ISREG(mode):
        raise StoreError(f"store {path!r}: wanted a regular file, found mode {stat.filemode(mode)}")


def connect(path: str, *, durable: bool) -> sqlite3.Connection:
    """Return a connection in autocommit mode that does not wait for locks, for any thread; make the file if needed.

    Raises as `check`, StoreError if the file is not a store, and sqlite3.Error (SQLITE_BUSY: try again).
    """
    with _creating:
        check(path)
        try:  # SQLite gives the -wal and -shm files the same mode
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        except FileExistsError:
            pass
        except OSError as error:
            raise StoreError(f"store {path!r}: {error.strerror}") from error
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, path, durable)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: str, durable: bool) -> None:
    if (found := _marks(connection)) in ((0, 0), (_APPLICATION_ID, 1)):
        connection.execute("BEGIN IMMEDIATE")
        if (found := _marks(connection)) == (0, 0):
            if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise StoreError(f"store {path!r}: is another program's; wanted a store or no file")
            connection.execute(_TABLE)
        elif found == (_APPLICATION_ID, 1):
            connection.execute(_FROM_LAYOUT_1)
        if found != (_APPLICATION_ID, _LAYOUT):
            connection.execute(_INDEX)
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {_LAYOUT}")
        connection.execute("COMMIT")
        found = _marks(connection)
    if found != (wanted := (_APPLICATION_ID, _LAYOUT)):
        raise StoreError(f"store {path!r}: has application id and version {found}; wanted {wanted}")
    (journal,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if journal != "wal":
        raise StoreError(f"store {path!r}: got journal mode {journal!r}; wanted 'wal'")
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")


def _marks(connection: sqlite3.Connection) -> tuple[int, int]:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    return application, layout
