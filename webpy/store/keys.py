"""Owns the secret keys that all workers share: each is in a store, made by the worker that needs it first.

So every worker, before and after a reload or a restart, takes what another has signed; and so does every machine, if
the store is on a server. Features that sign something call it.
"""

from __future__ import annotations

import secrets

from .base import Store

__all__ = ["KEY_BYTES", "shared_key"]

KEY_BYTES = 32


def shared_key(store: Store, name: str) -> bytes:
    """Return the key `name` of the store. Raises StoreError, and ValueError if something else has this name."""
    key = store.get(name, b"")
    if not key:
        made = secrets.token_bytes(KEY_BYTES)
        key = made if store.cas(name, None, made) else store.get(name, b"")
    if len(key) != KEY_BYTES:
        raise ValueError(f"store key {name!r}: got {len(key)} bytes, wanted {KEY_BYTES}")
    return key
