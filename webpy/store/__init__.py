"""A mapping of str to bytes shared by all workers: `webpy.store.open(url)`.

    notes = webpy.store.open()              # at module level: every worker then uses it
    notes['/a'] = self.request.body
    hits = notes.incr('hits')               # atomic over all workers
    notes.cas('/a', old, new)               # only if it still is `old`; None stands for absent
    notes.set('/b', b'...', expires_s=60)   # gone after a minute
    tries = notes.incr(name, expires_s=60)  # in the minute that the first one began
    within, _ = notes.pour(name, 1_000_000, 5_000_000)  # at most 5 at once and 1 a second: a leaky bucket

| URL | kept in | used by | lists its keys |
|---|---|---|---|
| `sqlite:///PATH` | a file of mode 600 | all processes of this machine | yes |
| `redis://HOST`, `rediss://`, `unix://` | a Redis server; `webpy[redis]` | all machines | yes |
| `memcached://HOST` | a memcached server, which may drop keys; `webpy[memcached]` | all machines | no |
| `file:///DIR` | a directory of mode 700, a file a key | all processes of this machine | yes |
| `memory:` | a dict in this process | one worker: `--workers 2` is refused at the start | yes |
| none | the environment's `WEBPY_STORE` if set, else `webpy-store.sqlite3` in the state directory | | |

As in SQLAlchemy, PATH and DIR are relative to the current directory, and an absolute one makes four slashes:
`sqlite:////var/lib/a.sqlite3`. More about each is in the docstring of its class, which `RedisStore` and
`MemcachedStore` have in `webpy.store.redis` and `webpy.store.memcached`.

The state directory is $STATE_DIRECTORY (systemd), else $XDG_STATE_HOME/webpy/NAME or ~/.local/state/webpy/NAME, where
NAME is that of the current folder, else `webpy-state` beside the pidfile. A file that an earlier version left in the
current folder is still used, and the log asks to move it. No handler of `webpy.file` sends the file of a store.

A store that cannot do its work (server down, disk full) raises StoreError; one that is kept busy by other processes
raises StoreTimeout, at most `timeout_s` later, so that a handler can answer 503 instead of waiting.

Owns the choice by URL. Each kind of store is a module of this package; `base` has the interface that they share. The
framework does not use it; handlers and features do.
"""

from __future__ import annotations

import logging
import os

from .. import statedir
from .base import Store, StoreError, StoreTimeout
from .file import FileStore
from .memory import MemoryStore
from .sqlite import SQLiteStore

__all__ = ["FileStore", "MemoryStore", "SQLiteStore", "Store", "StoreError", "StoreTimeout", "default_url", "open"]

_log = logging.getLogger("webpy.store")

_WANTED = "sqlite:///PATH, redis://HOST, rediss://HOST, unix:///PATH, memcached://HOST, file:///DIR or memory:"


def open(url: str | None = None, *, timeout_s: float = 5.0, durable: bool = False) -> Store:
    """Return the store at `url` (see above). Call it at module level, before a fork: it is opened at the first use.

    timeout_s: how long an operation may wait for other writers or for a server's answer; then it raises StoreTimeout.
    durable: whether a write that has returned survives a power loss too, which takes an fsync each; for a store on a
    server, the server's settings decide that.

    Raises ValueError for an unknown URL, ImportError if the package for the server is not installed, FileNotFoundError
    if there is no directory for the file, StoreError if something else is in its place.
    """
    if url is None:
        url = default_url("store", "WEBPY_STORE")
    if url == "memory:":
        return MemoryStore()
    scheme, slashes, rest = url.partition("://")
    if slashes and scheme in ("redis", "rediss", "unix"):
        from .redis import RedisStore

        return RedisStore(url, timeout_s=timeout_s)
    if slashes and scheme == "memcached":
        from .memcached import MemcachedStore

        return MemcachedStore(url, timeout_s=timeout_s)
    if not slashes or scheme not in ("sqlite", "file"):
        raise ValueError(f"store {_shown(url)}: unknown scheme; wanted {_WANTED}")
    path = rest.removeprefix("/")
    if path == rest or not path or "?" in path or "#" in path or "\0" in path:
        raise ValueError(f"store {url!r}: no usable path; wanted {scheme}:///PATH, without parameters")
    kind = SQLiteStore if scheme == "sqlite" else FileStore
    return kind(path, timeout_s=timeout_s, durable=durable)


def default_url(name: str, variable: str) -> str:
    """Return the URL of a store whose URL is not given: that in the environment's `variable`, else that of
    `webpy-NAME.sqlite3` in the state directory. Raises StoreError if there is no such directory."""
    given = os.environ.get(variable)
    if given:
        return given
    try:
        path, warning = statedir.database(name)
    except OSError as error:
        raise StoreError(f"{error}, or {variable}") from error
    if warning:
        _log.warning("%s", warning)
    return f"sqlite:///{path}"


def _shown(url: str) -> str:
    """Return the URL for a message, without what may be a password."""
    head, at, tail = url.rpartition("@")
    return repr(f"{head.partition('://')[0]}://…@{tail}" if at else url)
