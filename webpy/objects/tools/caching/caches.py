"""Owns where the tool `caching` keeps answers: in a store that all workers share, or in a worker's memory.

Whoever subclasses `Cache` may keep them elsewhere: `tools.caching.cache_class`. Knows of the request what tells one
answer from another, its URL and fields; when an answer may be given is `caching`'s to decide.
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
    """An answer that is kept: `made_s` is when, since the epoch."""

    status: str
    headers: dict[str, str]
    body: bytes
    made_s: float


class Cache:
    """What keeps answers, each for the request that is being served."""

    delay: float = 600.0
    maxobj_size = 100_000
    tot_non_modified = 0

    def get(self) -> Record | None:
        """The answer that is kept for this request."""
        raise NotImplementedError

    def put(self, record: Record, size: int) -> None:
        """Keep the answer to this request."""
        raise NotImplementedError

    def delete(self) -> None:
        """Forget all answers of this request's URL."""
        raise NotImplementedError

    def clear(self) -> None:
        """Forget everything."""
        raise NotImplementedError


def _url() -> str:
    return url_of(qs=request.query_string)


def _selecting() -> list[str]:
    """The fields of the request that the answer depends on."""
    return sorted({str(member.value).lower() for member in response.headers.elements("Vary")})


def _values(names: list[str]) -> str:
    return json.dumps([[name, request.headers.get(name, "")] for name in names])


class MemoryCache(Cache):
    """In the memory of each worker. maxobjects: URLs; maxsize: bytes, of all bodies; then nothing new is kept."""

    maxobjects = 1000
    maxsize = 10_000_000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def get(self) -> Record | None:
        """The answer that is kept for this request."""
        with self._lock:
            names, records = self._kept.get(_url(), ([], {}))
            return records.get(_values(names))

    def put(self, record: Record, size: int) -> None:
        """Keep the answer to this request, if there is room."""
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
        """Forget all answers of this request's URL."""
        with self._lock:
            self._drop(_url())

    def clear(self) -> None:
        """Forget everything."""
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
    """In a store of `webpy.store`, which all workers share. Where it fails nothing is kept, and the log says so.

    Of each URL there is one key with the fields of Vary and a random word, and one key for each answer, whose name is
    made of both: to change the first forgets all answers.
    """

    store: str | None = None

    def __init__(self) -> None:
        self._opened: Store | None = None

    def get(self) -> Record | None:
        """The answer that is kept for this request."""
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
        """Keep the answer to this request."""
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
        """Forget all answers of this request's URL."""
        try:
            self._open().pop(_key(_url()), None)
        except StoreError as error:
            _complain(error)

    def clear(self) -> None:
        """Forget everything. Raises StoreError, and TypeError where the store cannot list its keys."""
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
