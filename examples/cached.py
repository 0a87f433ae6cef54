"""A page that caches keep for a while, a document that clients ask about, and a path that has moved.

webpy serve examples/cached.py
curl -i http://127.0.0.1:8000/page
curl -i -X PUT -d 'first' http://127.0.0.1:8000/document
curl -i http://127.0.0.1:8000/document                                      # see its ETag
curl -i -H 'If-None-Match: "…"' http://127.0.0.1:8000/document              # 304, if you put it there
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
    """Fresh for a minute; after it, clients are told whether what they have still holds."""

    cache_control = directives("public", max_age=60)

    def do_get(self):
        return 200, "This page changes when its author has time.\n"


class Document(CachingMixIn):
    """Nobody overwrites what he has not seen, if he says what he has seen (If-Match)."""

    atomic = True  # what is looked at and what is written belong together

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
