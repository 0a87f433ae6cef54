"""Owns `Session`, the mapping that a handler uses, and the form of its id. Knows neither the store nor the cookie."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

__all__ = ["Loaded", "Session", "is_id", "key_of", "new_id"]

_ID_BYTES = 32
_ID = re.compile(r"[0-9A-Za-z_-]{43}")  # 32 bytes in base64url


def new_id() -> str:
    """Return 256 random bits as text that a cookie can hold."""
    return secrets.token_urlsafe(_ID_BYTES)


def is_id(text: str) -> bool:
    """Return True if `new_id` could have made the text."""
    return _ID.fullmatch(text) is not None


def key_of(id: str) -> str:
    """Return the session's key in the store, from which the id cannot be found."""
    return "session:" + hashlib.sha256(id.encode("ascii")).hexdigest()


class Loaded:
    """What was loaded of a session: its key in the store, the record, and the times in it."""

    __slots__ = ("created_s", "data", "key", "record", "used_s")

    def __init__(self, key: str, record: bytes, data: str, created_s: float, used_s: float) -> None:
        self.key = key
        self.record = record
        self.data = data  # JSON
        self.created_s = created_s  # seconds since the epoch, as is
        self.used_s = used_s


class Session(MutableMapping[str, Any]):
    """The session of one request, a mapping of str to values of JSON. Made by a `Keeper`, which saves its changes.

    Use it on one thread at a time. Once it is saved, and if `session_read_only` is set, changes raise RuntimeError.
    """

    __slots__ = ("_data", "_id", "_why_frozen", "free", "loaded", "retired")

    def __init__(self, id: str, data: dict[str, Any], loaded: Loaded | None) -> None:
        self._id = id
        self._data = data
        self._why_frozen = ""
        self.loaded = loaded
        """What was loaded from the store; None for a new session."""
        self.retired = False
        """True if another request has just replaced the id that the client sent: then nothing can be saved."""
        self.free: Callable[[], None] | None = None
        """Frees the session's lock, so that the next request gets it; None if there is none."""

    @property
    def id(self) -> str:
        """The secret in the cookie: never show or log it."""
        return self._id

    @property
    def new(self) -> bool:
        """True if nothing is stored under its id yet."""
        return self.loaded is None or self.loaded.key != key_of(self._id)

    def regenerate(self) -> None:
        """Give it a new id, and let its time to live begin again. The old id ends when it is saved."""
        self._check()
        self._id = new_id()

    def invalidate(self) -> None:
        """Delete all values and, when it is saved, the session. Values that are set after it begin a new one."""
        self.regenerate()
        self._data.clear()

    def freeze(self, why: str) -> None:
        """Make it read-only from now on; `why` is for the message of the RuntimeError."""
        self._why_frozen = why

    def _check(self) -> None:
        if self._why_frozen:
            raise RuntimeError(f"this session can only be read: {self._why_frozen}")

    def __getitem__(self, name: str) -> Any:
        return self._data[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._check()
        if not isinstance(name, str):
            raise TypeError(f"a session's names are str, not {type(name).__name__}: {name!r:.60}")
        self._data[name] = value

    def __delitem__(self, name: str) -> None:
        self._check()
        del self._data[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __repr__(self) -> str:
        return f"<Session of {len(self._data)} values>"  # neither id nor values: it may be logged
