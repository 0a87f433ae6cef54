"""Notes in JSON: POST to /notes makes one, GET lists or shows, PUT replaces, DELETE removes; errors are JSON too.

webpy serve examples/json_notes.py

curl -i -H 'Content-Type: application/json' -d '{"text": "buy milk"}' http://127.0.0.1:8000/notes
curl http://127.0.0.1:8000/notes
curl http://127.0.0.1:8000/notes/1
curl -X PUT -H 'Content-Type: application/json' -d '{"text": "buy bread"}' http://127.0.0.1:8000/notes/1
curl -X DELETE http://127.0.0.1:8000/notes/1
curl -i -H 'Content-Type: application/json' -d '{"text": }' http://127.0.0.1:8000/notes     400 with line and column
"""

from __future__ import annotations

import webpy as web
import webpy.store
from webpy import json

# In webpy-store.sqlite3 in the state directory, or at the URL in the environment's WEBPY_STORE.
store = webpy.store.open()
PREFIX = "json_notes/"


class JSONNotes(json.JSONHandler):
    def text(self):
        """Return the text of the note that was sent; the body may be any JSON, so it is checked first."""
        note = self.request.body
        if not isinstance(note, dict) or not isinstance(note.get("text"), str) or set(note) != {"text"}:
            raise web.HTTPError(400, 'wanted {"text": "..."}')
        return note["text"].encode()


class Notes(JSONNotes):
    def do_get(self):
        numbers = sorted(int(key.removeprefix(PREFIX)) for key in store if key.startswith(PREFIX))
        return 200, {"notes": [f"/notes/{number}" for number in numbers]}

    def do_post(self):
        text = self.text()
        number = store.incr("json_notes")  # no two workers get the same number
        store[f"{PREFIX}{number}"] = text
        self.response.headers.set("Location", f"/notes/{number}")
        return 201, {"text": text.decode()}


class Note(JSONNotes):
    @property
    def key(self):
        return PREFIX + self.groups[0]

    def do_get(self):
        text = store.get(self.key)
        if text is None:
            raise web.HTTPError(404)
        return 200, {"text": text.decode()}

    def do_put(self):
        text, old = self.text(), store.get(self.key)
        # Replace only a note that exists: one that another client has just deleted stays deleted.
        while old is not None and not store.cas(self.key, old, text):
            old = store.get(self.key)
        if old is None:
            raise web.HTTPError(404)
        return 200, {"text": text.decode()}

    def do_delete(self):
        try:
            del store[self.key]
        except KeyError:
            raise web.HTTPError(404) from None
        return 204, None


routes = {"/notes": Notes, "/notes/([1-9][0-9]{0,9})": Note}
error_routes = json.new_error()
