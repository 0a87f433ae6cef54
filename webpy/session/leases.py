"""Lets one request at a time have a session if the store is a server, by leases: keys of the store that expire.

Owns taking, renewing and giving back leases. Knows no sessions, and uses only `cas` and the expiry of the store.

Processes of several machines wait by asking the store again and again. The threads and processes of one machine wait
for a lock in memory first, so that only one of them asks. The lease of a killed worker expires. A process paused for
longer than its lease loses it without noticing: so before saving, what is overwritten must be compared.
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
_RENEW_S = 1.5  # three attempts before a lease ends
_FIRST_NAP_S = 0.001
_MAX_NAP_S = 0.05

_log = logging.getLogger("webpy.session")


class Leases(AtFork):
    """Locks for all processes that use the same store; see `locks.Locks`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._near = MemoryLocks()
        self._held: dict[str, bytes] = {}  # of this process
        self._renewer: threading.Thread | None = None
        self._guard = threading.Lock()  # of these two
        super().__init__()

    def hold(self, name: str, timeout_s: float) -> Callable[[], None]:
        """Do what `locks.Locks.hold` does."""
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
            nap_s = min(nap_s * 2, _MAX_NAP_S)

    def _give_back(self, key: str, token: bytes, free_near: Callable[[], None]) -> None:
        with self._guard:
            self._held.pop(key, None)
        try:
            self._store.cas(key, token, None)
        except StoreError as error:
            _log.warning("a session's lease could not be given back, and will expire: %s", error)
        finally:
            free_near()

    def _renew(self) -> None:
        """Renew the leases of this process. Runs on a thread of its own, which ends once there are none."""
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
        """Forget the leases of the parent and the thread that renews them, in a forked child."""
        self._held = {}
        self._renewer = None
        self._guard = threading.Lock()
