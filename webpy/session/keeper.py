"""Loads sessions from a store and saves them, so that one request at a time has a session and no change is lost.

Owns the record (JSON with two times) and its expiry. Knows no requests and no cookies; `handler` and `webpy.objects`
call it, on the threads of requests.

A record is loaded under a lock, and saved only if it is still the one that was loaded: even if the lock was lost (a
lease expired, a lock file was deleted), no request overwrites what it has not read.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..atfork import AtFork
from ..store import Store, StoreError
from .locks import Locks
from .session import Loaded, Session, is_id, key_of, new_id

__all__ = ["Keeper", "SessionBusy", "SessionLost", "Terms"]

_RETIRED = b'{"retired": true}'
_RETIRED_S = 30.0  # for so long an id that was replaced is known: its requests were under way, and are not forged
_MAX_WAITING = 16  # requests of one session in one process; more are refused, so that no client takes all threads
_REWRITE_AFTER = 0.1  # part of the idle time after which an unchanged session is written again

_log = logging.getLogger("webpy.session")


class SessionBusy(Exception):
    """Other requests had the session for longer than `wait_s`."""


class SessionLost(Exception):
    """The store does not contain any more what was loaded: another request has changed or ended the session."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The limits of a session: see the options in `webpy.session`. Raises ValueError for values that make no sense."""

    idle_s: float = 1800.0
    ttl_s: float | None = 43200.0
    wait_s: float = 10.0
    max_bytes: int = 65536

    def __post_init__(self) -> None:
        for name in ("idle_s", "ttl_s", "max_bytes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"session_{name}: got {value!r}, wanted more than 0")
        if not self.wait_s >= 0:
            raise ValueError(f"session_wait_s: got {self.wait_s!r}, wanted 0 or more")


class Keeper(AtFork):
    """The sessions of one store, of which `locks` gives each to one request at a time. Made by `find_keeper`."""

    def __init__(self, store: Store, locks: Locks) -> None:
        self._store = store
        self._locks = locks
        self._waiting: dict[str, int] = {}
        self._guard = threading.Lock()  # of it
        super().__init__()

    def open(self, id: str | None, terms: Terms) -> Session:
        """Return the session `id`, which no other request gets until `save` or `drop`; a new one if there is none.

        Waits, at most `terms.wait_s`, for other requests. Raises SessionBusy, StoreError.
        """
        if id is None or not is_id(id):
            return Session(new_id(), {}, None)
        key = key_of(id)
        free = self._hold(key, terms.wait_s)
        try:
            session = self._load(id, key, terms)
        except BaseException:
            free()
            raise
        if session.loaded is None:
            free()
        else:
            session.free = free
        return session

    def peek(self, id: str | None, terms: Terms) -> Session:
        """Return the session, an empty one if there is none, without waiting. The caller must not change it.

        Raises StoreError.
        """
        if id is None or not is_id(id):
            return Session(new_id(), {}, None)
        key = key_of(id)
        session = self._load(id, key, terms)
        if session.loaded is not None and _is_due(session.loaded, terms):
            with contextlib.suppress(SessionBusy, SessionLost):  # then another request keeps it alive
                self.save(self.open(id, replace(terms, wait_s=0.0)), terms)
        return session

    def save(self, session: Session, terms: Terms) -> str | None:
        """Save what has changed, and let the next request in.

        Returns the id that the client's cookie is to have, "" if the cookie is to be deleted, None if it stays. Raises
        SessionLost, StoreError, and ValueError or TypeError for values that JSON cannot hold or that are too large:
        then nothing is saved, and the next request is let in all the same.
        """
        try:
            return self._save(session, terms)
        finally:
            self.drop(session)

    def drop(self, session: Session) -> None:
        """Let the next request in without saving. May be called again."""
        session.freeze("it has been saved, or the request is over")
        free, session.free = session.free, None
        if free is not None:
            free()

    def _hold(self, key: str, wait_s: float) -> Callable[[], None]:
        with self._guard:
            waiting = self._waiting.get(key, 0)
            if waiting >= _MAX_WAITING:
                raise SessionBusy(f"waited for by {waiting} others")
            self._waiting[key] = waiting + 1
        try:
            return self._locks.hold(key, wait_s)
        except TimeoutError as error:
            if isinstance(error, StoreError):  # of a lease's store
                raise
            raise SessionBusy(f"not free within {wait_s} s") from None
        finally:
            with self._guard:
                self._waiting[key] -= 1
                if not self._waiting[key]:
                    del self._waiting[key]

    def after_fork_in_child(self) -> None:
        """Forget the waiting requests of the parent, in a forked child, where no other thread is."""
        self._waiting = {}
        self._guard = threading.Lock()

    def _load(self, id: str, key: str, terms: Terms) -> Session:
        record = self._store.get(key)
        if record is None:
            return Session(new_id(), {}, None)
        if record == _RETIRED:
            session = Session(new_id(), {}, None)
            session.retired = True
            return session
        try:
            found = json.loads(record)
            data, created_s, used_s = found["data"], float(found["created"]), float(found["used"])
            if not isinstance(data, dict):
                raise TypeError("data is no object")
        except (ValueError, KeyError, TypeError) as error:
            _log.warning("a session in the store cannot be read, and is left out: %s", type(error).__name__)
            return Session(new_id(), {}, None)
        now_s = time.time()
        if now_s - used_s > terms.idle_s or (terms.ttl_s is not None and now_s - created_s > terms.ttl_s):
            self._store.cas(key, record, None)
            return Session(new_id(), {}, None)
        return Session(id, data, Loaded(key, record, _dumps(data), created_s, used_s))

    def _save(self, session: Session, terms: Terms) -> str | None:
        loaded, data = session.loaded, _dumps(dict(session))
        if len(data) > terms.max_bytes:
            raise ValueError(f"a session of {len(data)} bytes, wanted {terms.max_bytes} at most (session_max_bytes)")
        now_s = time.time()
        if not session.new:
            assert loaded is not None
            if data == loaded.data and not _is_due(loaded, terms):
                return None
            self._replace(loaded, _record(data, loaded.created_s, now_s), _left_s(terms, now_s - loaded.created_s))
            return session.id
        if session:
            if session.retired:
                raise SessionLost("its id has been replaced")
            key = key_of(session.id)
            self._store.set(key, _record(data, now_s, now_s), expires_s=_left_s(terms, 0.0))
            if loaded is not None:
                try:
                    self._replace(loaded, _RETIRED, _RETIRED_S)
                except BaseException:
                    self._store.pop(key, None)
                    raise
            return session.id
        if loaded is not None:
            self._replace(loaded, None, None)
            return ""
        return None

    def _replace(self, loaded: Loaded, record: bytes | None, expires_s: float | None) -> None:
        if not self._store.cas(loaded.key, loaded.record, record, expires_s=expires_s):
            raise SessionLost("another request changed it")


def _dumps(data: Any) -> str:
    return json.dumps(data, allow_nan=False, separators=(",", ":"))


def _record(data: str, created_s: float, used_s: float) -> bytes:
    return f'{{"created":{created_s!r},"used":{used_s!r},"data":{data}}}'.encode("ascii")


def _is_due(loaded: Loaded, terms: Terms) -> bool:
    """Return True if the record has to be written again, as the time of its last use in it is old."""
    return time.time() - loaded.used_s >= terms.idle_s * _REWRITE_AFTER


def _left_s(terms: Terms, age_s: float) -> float:
    """Return for how long the store is to keep a session that was used just now."""
    return terms.idle_s if terms.ttl_s is None else max(0.001, min(terms.idle_s, terms.ttl_s - age_s))
