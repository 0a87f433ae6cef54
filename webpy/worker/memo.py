"""Owns `Memo`, a bounded memory of what was worked out for some bytes; knows not what.

What comes once is not kept: keeping it would cost more than working it out, in memory and in garbage collections. So a
key is taken in when it comes for the second time, and thrown out when two generations have gone by without it.
"""

from __future__ import annotations

from typing import Generic, TypeVar

__all__ = ["Memo"]

Value = TypeVar("Value")


class Memo(Generic[Value]):
    """Values by bytes. Only the leader calls it.

    `recent` is the younger generation, to be looked at without a call: it stays the same object.
    """

    __slots__ = ("_longest_bytes", "_most", "_older", "_seen", "recent")

    def __init__(self, most: int, longest_bytes: int) -> None:
        """most: values in each generation; longest_bytes: keys longer than this are never kept."""
        self.recent: dict[bytes, Value] = {}
        self._older: dict[bytes, Value] = {}
        self._seen: set[int] = set()  # hashes of keys that came once
        self._most = most
        self._longest_bytes = longest_bytes

    def get(self, key: bytes) -> Value | None:
        """The value of `key`, if it is kept."""
        value = self.recent.get(key)
        if value is None and self._older:
            value = self._older.get(key)
            if value is not None:
                self._keep(key, value)
        return value

    def offer(self, key: bytes, value: Value) -> None:
        """Keep `value`, if `key` has come before."""
        if len(key) > self._longest_bytes:
            return
        mark = hash(key)
        if mark in self._seen:
            self._keep(key, value)
        else:
            if len(self._seen) >= 8 * self._most:
                self._seen.clear()
            self._seen.add(mark)

    def clear(self) -> None:
        """Forget everything."""
        self.recent.clear()
        self._older.clear()
        self._seen.clear()

    def _keep(self, key: bytes, value: Value) -> None:
        if len(self.recent) >= self._most:
            self._older = self.recent.copy()
            self.recent.clear()
        self.recent[key] = value
