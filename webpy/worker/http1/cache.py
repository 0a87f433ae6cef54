"""Owns `Cache`: a bounded number of values by the bytes that they were worked out from; knows nothing of either.

A value is kept from the second time that its key comes, because keeping all would cost more than working them out, in
memory and in garbage collections. It is dropped when two generations have gone by without it.

Where more keys come in turn than there is room for, each would be dropped just before it comes again. So when hardly
any of a generation came again, the cache stays as it is for a while: what it has then serves a part of them.
"""

from __future__ import annotations

from typing import Generic, TypeVar

__all__ = ["Cache"]

Value = TypeVar("Value")

_FEW = 8  # a generation of which less than the eighth part came again is not worth another
_STILL = 16  # generations' worth of values that are offered in vain then


class Cache(Generic[Value]):
    """Values by bytes. Only the leader calls it.

    recent: the younger generation, to be looked at without a call; it stays the same object.
    """

    __slots__ = ("_came_again", "_max_bytes", "_max_entries", "_older", "_seen", "_still", "recent")

    def __init__(self, max_entries: int, max_bytes: int, recent: dict[bytes, Value] | None = None) -> None:
        """max_entries: values in each generation; max_bytes: keys longer than this are never kept."""
        self.recent: dict[bytes, Value] = {} if recent is None else recent
        self._older: dict[bytes, Value] = {}
        self._seen: set[int] = set()  # hashes of keys that came once
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._came_again = 0  # values of the older generation that were asked for, since it is the older one
        self._still = 0  # values to be offered before the cache changes again

    def get(self, key: bytes) -> Value | None:
        """Return the value of `key`; None if it is not kept."""
        value = self.recent.get(key)
        return self.get_older(key) if value is None and self._older else value

    def get_older(self, key: bytes) -> Value | None:
        """As `get`, for a key that is not in `recent`."""
        value = self._older.get(key)
        if value is not None and not self._still:
            self._came_again += 1
            self._keep(key, value)
        return value

    def offer(self, key: bytes, value: Value) -> None:
        """Keep `value` if `key` has come before."""
        if self._still:
            self._still -= 1
            if not self._still:
                self._came_again = self._max_entries  # for one generation it is tried
            return
        if len(key) > self._max_bytes:
            return
        mark = hash(key)
        if mark in self._seen:
            self._keep(key, value)
        else:
            if len(self._seen) >= 8 * self._max_entries:
                self._seen.clear()
            self._seen.add(mark)

    def clear(self) -> None:
        """Forget everything."""
        self.recent.clear()
        self._older.clear()
        self._seen.clear()
        self._came_again = self._still = 0

    def _keep(self, key: bytes, value: Value) -> None:
        if len(self.recent) >= self._max_entries:
            if self._older and _FEW * self._came_again < self._max_entries:
                self._still = _STILL * self._max_entries
                return
            self._older = dict(self.recent)
            self.recent.clear()
            self._came_again = 0
        self.recent[key] = value
