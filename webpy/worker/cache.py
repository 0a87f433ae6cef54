"""Owns `Cache`: a bounded number of values by the keys that they were worked out from; knows nothing of either.

A value is kept from the second time that its key comes, because keeping all would cost more than working them out, in
memory and in garbage collections. It is dropped when two generations have gone by without it.

Where more keys come in turn than there is room for, each would be dropped just before it comes again. So when hardly
any of a generation came again, the cache stays as it is for a while: what it has then serves a part of them.
"""

from __future__ import annotations

import sys
from typing import Any, Generic, TypeVar

__all__ = ["Cache"]

Key = TypeVar("Key", bound=Any)
Value = TypeVar("Value")

_FEW = 8  # a generation of which less than the eighth part came again is not worth another
_STILL = 16  # generations' worth of values that are offered in vain then


class Cache(Generic[Key, Value]):
    """Values by keys. Only the leader calls it.

    recent: the younger generation, to be looked at without a call; it stays the same object.
    """

    __slots__ = ("_came_again", "_max_entries", "_max_length", "_older", "_seen", "_still", "recent")

    def __init__(self, max_entries: int, max_length: int = sys.maxsize, recent: dict[Key, Value] | None = None) -> None:
        """max_entries: values in each generation; max_length: keys longer than this are never kept."""
        self.recent: dict[Key, Value] = {} if recent is None else recent
        self._older: dict[Key, Value] = {}
        self._seen: set[int] = set()  # hashes of keys that came once
        self._max_entries = max_entries
        self._max_length = max_length
        self._came_again = 0  # values of the older generation that were asked for, since it is the older one
        self._still = 0  # values to be offered before the cache changes again

    def get(self, key: Key) -> Value | None:
        """Return the value of `key`; None if it is not kept."""
        value = self.recent.get(key)
        return self.get_older(key) if value is None and self._older else value

    def get_older(self, key: Key) -> Value | None:
        """As `get`, for a key that is not in `recent`."""
        value = self._older.get(key)
        if value is not None and not self._still:
            self._came_again += 1
            self.keep(key, value)
        return value

    def offer(self, key: Key, value: Value) -> None:
        """Keep `value` if `key` has come before."""
        if self.comes_again(key):
            self.keep(key, value)

    def comes_again(self, key: Key) -> bool:
        """Return whether a value of `key` should be kept, as it has come before. For a value that takes making."""
        if self._still:
            self._still -= 1
            if not self._still:
                self._came_again = self._max_entries  # for one generation it is tried
            return False
        if len(key) > self._max_length:
            return False
        mark = hash(key)
        if mark in self._seen:
            return True
        if len(self._seen) >= 8 * self._max_entries:
            self._seen.clear()
        self._seen.add(mark)
        return False

    def clear(self) -> None:
        """Forget everything."""
        self.recent.clear()
        self._older.clear()
        self._seen.clear()
        self._came_again = self._still = 0

    def keep(self, key: Key, value: Value) -> None:
        """Keep `value`, whether or not `key` has come before."""
        if len(self.recent) >= self._max_entries:
            if self._older and _FEW * self._came_again < self._max_entries:
                self._still = _STILL * self._max_entries
                return
            self._older = dict(self.recent)
            self.recent.clear()
            self._came_again = 0
        self.recent[key] = value
