"""Loads sessions from a store and saves them: who may have one, for how long, and that no change is lost.

Owns the record, JSON with two times, and its expiry. Knows no request and no cookie: `handler` calls it, and whatever
else wants sessions may.

A record is loaded under a lock and saved by comparing: even if the lock has been lost (a lease that ran out, a lock
file that was deleted) nobody overwrites what he has not read.
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
_RETIRED_S = 30.0  # for which requests that were under way when a session got a new id are told from forgers
_MOST_WAITING = 16  # of one session, in one process: more are refused at once, lest one client takes all its threads
_TOUCH = 0.1  # part of the idle time that goes by before an unchanged session is written again

_log = logging.getLogger("webpy.session")


class SessionBusy(Exception):
    """Other requests kept the session for longer than `wait_s`."""


class SessionLost(Exception):
    """What was loaded is not what the store holds any more: another request changed or ended the session."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for a session: see the options in `webpy.session`."""

    idle_s: float = 1800.0
    life_s: float | None = 43200.0
    wait_s: float = 10.0
    max_bytes: int = 65536

    def __post_init__(self) -> None:
        for name in ("idle_s", "life_s", "max_bytes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"session_{name}: got {value!r}, wanted more than 0")
        if not self.wait_s >= 0:
            raise ValueError(f"session_wait_s: got {self.wait_s!r}, wanted 0 or more")


class Keeper(AtFork):
    """The sessions of one store, whose requests `locks` keeps apart. `find_keeper` makes it."""

    def __init__(self, store: Store, locks: Locks) -> None:
        self._store = store
        self._locks = locks
        self._waiting: dict[str, int] = {}
        self._guard = threading.Lock()  # of it
        super().__init__()

    def open(self, id: str | None, terms: Terms) -> Session:
        """The session `id`, which is then the caller's alone until `save` or `drop`; a new one if there is none.

        Raises SessionBusy, StoreError.
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
        """The session as it is, to be read only, without waiting; an empty one if there is none. Raises StoreError."""
        if id is None or not is_id(id):
            return Session(new_id(), {}, None)
        key = key_of(id)
        session = self._load(id, key, terms)
        if session.loaded is not None and _is_due(session.loaded, terms):
            with contextlib.suppress(SessionBusy, SessionLost):  # whoever has it keeps it alive
                self.save(self.open(id, replace(terms, wait_s=0.0)), terms)
        return session

    def save(self, session: Session, terms: Terms) -> str | None:
        """Keep what has changed, and let the next request in.

        Gives the id that the client is to have from now on, "" if it is to forget the one it has, and None if nothing
        changes for it. Raises SessionLost, StoreError; ValueError, TypeError for what JSON cannot hold or is too
        large: nothing is kept then, and the next request is let in all the same.
        """
        try:
            return self._save(session, terms)
        finally:
            self.drop(session)

    def drop(self, session: Session) -> None:
        """Let the next request in, without saving. Can be called again."""
        session.freeze("it has been saved, or the request is over")
        free, session.free = session.free, None
        if free is not None:
            free()

    def _hold(self, key: str, wait_s: float) -> Callable[[], None]:
        with self._guard:
            waiting = self._waiting.get(key, 0)
            if waiting >= _MOST_WAITING:
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
        """No thread of the child waits for a session."""
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
        if now_s - used_s > terms.idle_s or (terms.life_s is not None and now_s - created_s > terms.life_s):
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
    """Whether the record must say that the session is in use."""
    return time.time() - loaded.used_s >= terms.idle_s * _TOUCH


def _left_s(terms: Terms, age_s: float) -> float:
    """For how long the store is to keep a session that was used just now."""
    return terms.idle_s if terms.life_s is None else max(0.001, min(terms.idle_s, terms.life_s - age_s))
