"""A page that caches keep for a minute, a document with conditional requests, and a path that has moved.

webpy serve examples/cached.py
curl -i http://127.0.0.1:8000/page
curl -i -X PUT -d 'first' http://127.0.0.1:8000/document
curl -i http://127.0.0.1:8000/document                                      # see its ETag
curl -i -H 'If-None-Match: "…"' http://127.0.0.1:8000/document              # 304, with that ETag
curl -i -X PUT -d 'mine' -H 'If-Match: "old"' http://127.0.0.1:8000/document    # 412: it has changed since
curl -iL 'http://127.0.0.1:8000/old-page?x=1'
"""

from __future__ import annotations

import hashlib

from webpy import HTTPError, redirect, store
from webpy.caching import CachingMixIn, directives
from webpy.conditional import Validators

documents = store.open("sqlite:///documents.sqlite3")


class Page(CachingMixIn):
    """Fresh for a minute; after that, clients ask whether their copy is still valid."""

    cache_control = directives("public", max_age=60)

    def do_get(self):
        return 200, "This page changes when its author has time.\n"


class Document(CachingMixIn):
    """A client that says which state it has seen (If-Match) overwrites no other."""

    atomic = True  # no other request changes it between the check and the write

    def cache_validators(self):
        text = documents.get("document")
        return None if text is None else Validators(f'"{hashlib.sha256(text).hexdigest()[:20]}"')

    def do_get(self):
        text = documents.get("document")
        if text is None:
            raise HTTPError(404)
        self.response.headers.set("Content-Type", "text/plain; charset=utf-8")
        return 200, text

    def do_put(self):
        documents["document"] = self.request.body
        return 204, None


routes = {
    r"/page(\?.*)?": Page,
    "/document": Document,
    **redirect.new("/old-page", "/page"),
}
