"""A mapping of str to bytes shared by all workers: `webpy.store.open(url)`.

    notes = webpy.store.open()              # at module level: every worker then uses it
    notes['/a'] = self.request.body
    hits = notes.incr('hits')               # atomic over all workers
    notes.cas('/a', old, new)               # only if it still is `old`; None stands for absent

URLs:

- `sqlite:///PATH`: a file of mode 600, used by all processes of this machine. As in SQLAlchemy, PATH is
  relative to the current directory, and an absolute one makes four slashes: `sqlite:////var/lib/a.sqlite3`.
- `memory:`: a dict in this process, for one worker only (`--workers 1`): every worker has a dict of its own.
- none: the environment's `WEBPY_STORE` if set, else `sqlite:///webpy-store.sqlite3`.

Owns the choice by URL; each kind of store is a module of this package, what they promise is in `base`. The
framework does not use it; handlers do.
"""

from __future__ import annotations

import os

from .base import Store, StoreError, StoreTimeout
from .memory import MemoryStore
from .sqlite import SQLiteStore

__all__ = ["MemoryStore", "SQLiteStore", "Store", "StoreError", "StoreTimeout", "open"]

_DEFAULT = "sqlite:///webpy-store.sqlite3"
_WANTED = "sqlite:///PATH or memory:"


def open(url: str | None = None, *, timeout_s: float = 5.0, durable: bool = False) -> Store:
    """The store at `url` (see above). Its file is opened at the first use, not here: call it before a fork.

    `timeout_s` bounds every operation's wait for other writers; then `StoreTimeout` is raised. `durable` lets
    a write that has returned survive a power loss also, at the price of an fsync each (see `SQLiteStore`).

    Raises ValueError for a URL it does not know, naming it and what was wanted; FileNotFoundError where the
    file's directory does not exist; StoreError where the file is a symbolic link or no regular file."""
    if url is None:
        url = os.environ.get("WEBPY_STORE") or _DEFAULT
    if url == "memory:":
        return MemoryStore()
    scheme, colon, rest = url.partition(":")
    if scheme != "sqlite" or not colon:
        raise ValueError(f"store {url!r}: unknown scheme {scheme!r}; wanted {_WANTED}")
    path = rest.removeprefix("///")
    if path == rest or not path or "?" in path or "#" in path or "\0" in path:
        raise ValueError(f"store {url!r}: no usable path; wanted {_WANTED}, without parameters")
    return SQLiteStore(path, timeout_s=timeout_s, durable=durable)
