"""Keeps the requests of one session apart where the store is a server: a lease, which is a key that expires.

Owns taking, renewing and giving back. Knows no session; the store's `cas` and expiry are all it asks of it.

Processes of other machines wait by asking again in short steps. Those of this one, and threads, queue before a lock in
memory first, so that one of them asks. A worker that is killed leaves its lease to expire. One that is stopped for
longer than a lease lives loses it to another, and does not know: who saves must compare what it overwrites.
"""

from __future__ import annotations

import logging
import random
import secrets
import threading
import time
from collections.abc import Callable
from functools import partial

from ..atfork import AtFork
from ..store import Store, StoreError
from .locks import MemoryLocks

__all__ = ["Leases"]

_LEASE_S = 5.0
_RENEW_S = 1.5  # three tries before it ends
_FIRST_NAP_S = 0.001
_LONGEST_NAP_S = 0.05

_log = logging.getLogger("webpy.session")


class Leases(AtFork):
    """For all processes that use the same store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._near = MemoryLocks()
        self._held: dict[str, bytes] = {}  # of this process
        self._renewer: threading.Thread | None = None
        self._guard = threading.Lock()  # of these two
        super().__init__()

    def hold(self, name: str, timeout_s: float) -> Callable[[], None]:
        """See `locks.Locks.hold`."""
        deadline_s = time.monotonic() + timeout_s
        free_near = self._near.hold(name, timeout_s)
        try:
            key, token = f"lease:{name}", secrets.token_bytes(16)
            self._take(key, token, deadline_s, timeout_s)
        except BaseException:
            free_near()
            raise
        with self._guard:
            self._held[key] = token
            if self._renewer is None:
                self._renewer = threading.Thread(target=self._renew, name="webpy-session-leases", daemon=True)
                self._renewer.start()
        return partial(self._give_back, key, token, free_near)

    def _take(self, key: str, token: bytes, deadline_s: float, timeout_s: float) -> None:
        nap_s = _FIRST_NAP_S
        while not self._store.cas(key, None, token, expires_s=_LEASE_S):
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(f"not free within {timeout_s} s")
            time.sleep(min(nap_s * random.uniform(0.5, 1.5), left_s))
            nap_s = min(nap_s * 2, _LONGEST_NAP_S)

    def _give_back(self, key: str, token: bytes, free_near: Callable[[], None]) -> None:
        with self._guard:
            self._held.pop(key, None)
        try:
            self._store.cas(key, token, None)
        except StoreError as error:
            _log.warning("a session's lease could not be given back, and ends by itself: %s", error)
        finally:
            free_near()

    def _renew(self) -> None:
        """On a thread of its own, which ends when there has been nothing to do."""
        while True:
            time.sleep(_RENEW_S)
            with self._guard:
                if not self._held:
                    self._renewer = None
                    return
                held = list(self._held.items())
            for key, token in held:
                try:
                    self._store.cas(key, token, token, expires_s=_LEASE_S)
                except StoreError as error:
                    _log.warning("a session's lease could not be renewed: %s", error)

    def after_fork_in_child(self) -> None:
        """The child holds no lease, and has no thread that renews them."""
        self._held = {}
        self._renewer = None
        self._guard = threading.Lock()
