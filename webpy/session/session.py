"""Owns `Session`, the mapping a handler sees, and what its id is; knows neither the store nor the cookie."""

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
    """256 random bits, as text that a cookie can hold."""
    return secrets.token_urlsafe(_ID_BYTES)


def is_id(text: str) -> bool:
    """Whether `new_id` could have made it."""
    return _ID.fullmatch(text) is not None


def key_of(id: str) -> str:
    """Where the store keeps the session: it cannot be used to ask for it."""
    return "session:" + hashlib.sha256(id.encode("ascii")).hexdigest()


class Loaded:
    """What the store held of a session: its key, the record as it was, and the times in it."""

    __slots__ = ("created_s", "data", "key", "record", "used_s")

    def __init__(self, key: str, record: bytes, data: str, created_s: float, used_s: float) -> None:
        self.key = key
        self.record = record
        self.data = data  # JSON
        self.created_s = created_s  # since the epoch, as is
        self.used_s = used_s


class Session(MutableMapping[str, Any]):
    """The session of one request: str to whatever JSON has. Made by a `Keeper`; changes are kept when it saves.

    For one thread. Once saved, and where `session_read_only` is set, it can only be read: RuntimeError.
    """

    __slots__ = ("_data", "_id", "_why_frozen", "free", "loaded", "retired")

    def __init__(self, id: str, data: dict[str, Any], loaded: Loaded | None) -> None:
        self._id = id
        self._data = data
        self._why_frozen = ""
        self.loaded = loaded
        """What the store holds; None for a new session."""
        self.retired = False
        """The client sent an id that another request has just replaced: there is nothing to save this under."""
        self.free: Callable[[], None] | None = None
        """Lets the next request of this session in."""

    @property
    def id(self) -> str:
        """The secret in the cookie: never show or log it."""
        return self._id

    @property
    def new(self) -> bool:
        """Whether nothing is stored under its id so far."""
        return self.loaded is None or self.loaded.key != key_of(self._id)

    def regenerate(self) -> None:
        """Go on under a new id; the old one is of no use any more once this is saved. Its life begins anew."""
        self._check()
        self._id = new_id()

    def invalidate(self) -> None:
        """Forget everything: the session ends when this is saved. What is set after it begins a new one."""
        self.regenerate()
        self._data.clear()

    def freeze(self, why: str) -> None:
        """From now on it can only be read."""
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
        return f"<Session of {len(self._data)} values>"  # neither id nor values: it may come into a log
