"""The nonces of Digest (RFC 7616 sections 3.3 and 5.4): signed instead of stored, and each count of one used once.

Owns their form, their age and their counts in the store. Knows no requests and no users; `digest` calls it.

A nonce is the time it was made, 18 random bytes, and an HMAC of both and the realm: issuing one stores nothing, so a
flood of requests without credentials leaves nothing behind. The key is in the store, so that every worker, before and
after a reload, accepts the nonces of the others.

The counts of a nonce are in the store from the first right proof until the nonce ends. As clients use one nonce on
several connections, counts may arrive out of order: the last 128 are a bitmap, as in RFC 4303 section 3.4.3, and older
ones are taken for used.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
import struct
import threading
import time
from typing import TYPE_CHECKING

from ..store.keys import shared_key

if TYPE_CHECKING:
    from ..store import Store

__all__ = ["Nonces"]

_FORM = re.compile(r"[A-Za-z0-9_-]{56}")
_RANDOM_BYTES = 18
_MAC_BYTES = 16
_KEY = "webpy.auth/key"
_WINDOW = 128
_COUNTS = struct.Struct(">I16s")  # the highest count, and a bitmap of that and the 127 before
_MARGIN_S = 60.0  # how far the clocks of two machines with one store may be apart
_MAX_TRIES = 200


class Nonces:
    """Issues nonces and checks their counts. Make it at module level, before the workers are forked; for any thread.

    store: shared by all workers; by default the one at the URL in the environment's WEBPY_AUTH, or
    `webpy-auth.sqlite3` in the state directory (see `webpy.store`). Its keys begin with "webpy.auth/": a program that
    can read them can make nonces (but learns no passwords), and one that clears them makes used proofs valid again
    until their nonces end. lifetime_s: after so many seconds a client has to use a new nonce, which costs it a request
    but no user a password. Raises ValueError for a lifetime that is not more than 0.
    """

    def __init__(self, store: Store | None = None, *, lifetime_s: float = 300.0) -> None:
        if not 0 < lifetime_s < 1e9:
            raise ValueError(f"Nonces: got lifetime_s {lifetime_s!r}, wanted seconds, more than 0")
        self.lifetime_s = lifetime_s
        self._store = store
        self._key = b""
        self._opening = threading.Lock()

    def prepare(self) -> None:
        """Open the store now, before workers are forked. Raises as `webpy.store.open`."""
        self._opened()

    def issue(self, realm: str) -> str:
        """Return a new nonce for `realm`. Raises StoreError if its key cannot be had."""
        raw = struct.pack(">Q", int(time.time() * 1000)) + secrets.token_bytes(_RANDOM_BYTES)
        return base64.urlsafe_b64encode(raw + self._mac(raw, realm)).decode()

    def take(self, nonce: str, realm: str, count: int) -> bool:
        """Use up `count` (1 to 2**32 - 1) of `nonce`.

        Returns False if that was used already, or if the nonce is too old or not ours. Raises StoreError.
        """
        if not _FORM.fullmatch(nonce):
            return False
        raw = base64.urlsafe_b64decode(nonce)
        raw, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(raw, realm)):
            self._key = b""  # the store may have been cleared, and have another by now
            if not hmac.compare_digest(mac, self._mac(raw, realm)):
                return False
        left_s = struct.unpack_from(">Q", raw)[0] / 1000 + self.lifetime_s - time.time()
        return left_s > 0 and self._count(nonce, count, left_s + _MARGIN_S)

    def _count(self, nonce: str, count: int, keep_s: float) -> bool:
        store = self._opened()
        key = f"webpy.auth/nonces/{nonce}"
        for _ in range(_MAX_TRIES):
            before = store.get(key)
            highest, bitmap = _COUNTS.unpack(before) if before else (0, b"")
            seen = int.from_bytes(bitmap, "big")
            if count > highest:
                seen = (seen << min(count - highest, _WINDOW) | 1) & (1 << _WINDOW) - 1
                highest = count
            else:
                behind = highest - count
                if behind >= _WINDOW or seen >> behind & 1:
                    return False
                seen |= 1 << behind
            after = _COUNTS.pack(highest, seen.to_bytes(_WINDOW // 8, "big"))
            if store.cas(key, before, after, expires_s=keep_s):
                return True
        return False  # other workers changed it each time; the client comes again with another nonce

    def _mac(self, raw: bytes, realm: str) -> bytes:
        key = self._key
        if not key:
            key = self._key = shared_key(self._opened(), _KEY)
        return hmac.digest(key, raw + realm.encode(), "sha256")[:_MAC_BYTES]

    def _opened(self) -> Store:
        if self._store is None:
            from ..store import default_url
            from ..store import open as open_store

            with self._opening:
                if self._store is None:
                    self._store = open_store(default_url("auth", "WEBPY_AUTH"))
        return self._store
