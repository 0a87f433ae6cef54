"""Owns where the tool `caching` keeps answers: in a store that all workers share, or in each worker's memory.

A program can keep them elsewhere, with a subclass of `Cache` as `tools.caching.cache_class`. A cache reads the URL and
the fields of the current request, which tell answers apart; `tool` decides when an answer may be kept or sent.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import threading
import time
from typing import NamedTuple

from .... import store as stores
from ....logthrottle import throttle
from ....store import Store, StoreError
from ...messages.urls import url as url_of
from ...process.logs import log
from ...process.serving import request, response

__all__ = ["Cache", "MemoryCache", "Record", "StoreCache"]


class Record(NamedTuple):
    """An answer that is kept. made_s: when it was made, in seconds since 1970."""

    status: str
    headers: dict[str, str]
    body: bytes
    made_s: float


class Cache:
    """Keeps answers. The methods work on the answer to the current request."""

    delay: float = 600.0
    maxobj_size = 100_000
    tot_non_modified = 0

    def get(self) -> Record | None:
        """Return the answer that is kept for this request, or None."""
        raise NotImplementedError

    def put(self, record: Record, size: int) -> None:
        """Keep the answer to this request. size: the length of its body in bytes."""
        raise NotImplementedError

    def delete(self) -> None:
        """Drop all answers kept for this request's URL."""
        raise NotImplementedError

    def clear(self) -> None:
        """Drop all answers."""
        raise NotImplementedError


def _url() -> str:
    return url_of(qs=request.query_string)


def _selecting() -> list[str]:
    """Return the names of the request's fields that the answer depends on (its Vary)."""
    return sorted({str(member.value).lower() for member in response.headers.elements("Vary")})


def _values(names: list[str]) -> str:
    return json.dumps([[name, request.headers.get(name, "")] for name in names])


class MemoryCache(Cache):
    """Kept in each worker's memory. maxobjects: the most URLs; maxsize: the most bytes of all bodies together.

    When one of them is reached, no new answer is kept until old ones have expired.
    """

    maxobjects = 1000
    maxsize = 10_000_000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def get(self) -> Record | None:
        """Return the answer that is kept for this request, or None."""
        with self._lock:
            names, records = self._kept.get(_url(), ([], {}))
            return records.get(_values(names))

    def put(self, record: Record, size: int) -> None:
        """Keep the answer to this request, if there is room. size: the length of its body in bytes."""
        url, names = _url(), _selecting()
        with self._lock:
            if len(self._kept) >= self.maxobjects or self._size + size > self.maxsize:
                self._expire()
                if len(self._kept) >= self.maxobjects or self._size + size > self.maxsize:
                    return
            known = self._kept.get(url)
            if known is None or known[0] != names:
                self._drop(url)
                known = self._kept[url] = (names, {})
            old = known[1].get(_values(names))
            self._size += size - (len(old.body) if old else 0)
            known[1][_values(names)] = record

    def delete(self) -> None:
        """Drop all answers kept for this request's URL."""
        with self._lock:
            self._drop(_url())

    def clear(self) -> None:
        """Drop all answers."""
        self._kept: dict[str, tuple[list[str], dict[str, Record]]] = {}
        self._size = 0

    def _expire(self) -> None:
        oldest = time.time() - self.delay
        for url, (_, records) in list(self._kept.items()):
            for values, record in list(records.items()):
                if record.made_s < oldest:
                    self._size -= len(records.pop(values).body)
            if not records:
                del self._kept[url]

    def _drop(self, url: str) -> None:
        _, records = self._kept.pop(url, ([], {}))
        self._size -= sum(len(record.body) for record in records.values())


class StoreCache(Cache):
    """Kept in a store of `webpy.store`, which all workers share. If it fails, nothing is kept and that is logged.

    For each URL there is one key with the names of Vary and a random word, and one key for each answer, whose name is
    made of both: changing the first drops all answers.
    """

    store: str | None = None

    def __init__(self) -> None:
        self._opened: Store | None = None

    def get(self) -> Record | None:
        """Return the answer that is kept for this request, or None."""
        try:
            store, url = self._open(), _url()
            head = store.get(_key(url))
            data = None if head is None else store.get(self._key_of(url, head))
        except StoreError as error:
            _complain(error)
            return None
        if data is None:
            return None
        fields, _, body = data.partition(b"\n")
        status, headers, made_s = json.loads(fields)
        return Record(status, headers, body, made_s)

    def put(self, record: Record, size: int) -> None:
        """Keep the answer to this request. size: the length of its body in bytes."""
        data = json.dumps([record.status, record.headers, record.made_s]).encode("ascii") + b"\n" + record.body
        try:
            store, url, names = self._open(), _url(), _selecting()
            head = store.get(_key(url))
            if head is None or json.loads(head)[0] != names:
                head = json.dumps([names, secrets.token_hex(8)]).encode("ascii")
            store.set(_key(url), head, expires_s=self.delay)
            store.set(self._key_of(url, head), data, expires_s=self.delay)
        except StoreError as error:
            _complain(error)

    def delete(self) -> None:
        """Drop all answers kept for this request's URL."""
        try:
            self._open().pop(_key(_url()), None)
        except StoreError as error:
            _complain(error)

    def clear(self) -> None:
        """Drop all answers. Raises StoreError, and TypeError if the store cannot list its keys."""
        store = self._open()
        for key in list(store):
            if key.startswith("cache:"):
                store.pop(key, None)

    def _open(self) -> Store:
        if self._opened is None:
            self._opened = stores.open(self.store or stores.default_url("cache", "WEBPY_CACHE"))
        return self._opened

    def _key_of(self, url: str, head: bytes) -> str:
        names, word = json.loads(head)
        return _key(f"{url} {word} {_values(names)}")


def _key(text: str) -> str:
    return "cache:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _complain(error: StoreError) -> None:
    text = f"the store of the cache failed: {error}"
    more = throttle(text)
    if more is not None:
        log(text + more, "CACHE", severity=logging.WARNING)
