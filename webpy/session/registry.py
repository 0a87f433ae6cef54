"""Finds the keeper of a store's sessions: there is one in each process, so that its threads wait for each other.

Owns the default store and the choice of locks: a file beside a store on this machine, leases in a store on a server.
"""

from __future__ import annotations

import functools
import os

from .. import store as stores
from ..store import MemoryStore, Store
from .keeper import Keeper
from .leases import Leases
from .locks import FileLocks, Locks, MemoryLocks

__all__ = ["find_keeper"]

_of_urls: dict[str, Keeper] = {}
_of_stores: list[tuple[Store, Keeper]] = []  # a store is a mapping, and cannot be the key of a dict


def find_keeper(store: str | Store | None) -> Keeper:
    """Return the keeper of a store or URL; None stands for the environment's WEBPY_SESSION or the default store.

    Call it before a fork first, so that the workers share its locks. Raises as `webpy.store.open`.
    """
    if isinstance(store, Store):
        if not any(other is store for other, _ in _of_stores):
            _of_stores.append((store, Keeper(store, _locks_for(store))))
        return next(keeper for other, keeper in _of_stores if other is store)  # the first, if two threads came at once
    url = store or os.environ.get("WEBPY_SESSION")
    if not url:
        url = _default_url(os.environ.get("STATE_DIRECTORY"), os.environ.get("XDG_STATE_HOME"))
    found = _of_urls.get(url)
    if found is None:
        opened = stores.open(url)
        found = _of_urls.setdefault(url, Keeper(opened, _locks_for(opened)))
    return found


@functools.cache
def _default_url(*_environment: str | None) -> str:
    """Return the URL of the default store; cached, as each request asks for it."""
    return stores.default_url("sessions", "WEBPY_SESSION")


def _locks_for(store: Store) -> Locks:
    if isinstance(store, MemoryStore):
        return MemoryLocks()
    return Leases(store) if store.path is None else FileLocks(store.path + ".lock")
