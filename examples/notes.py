"""Notes: PUT, GET and DELETE any path; all workers share the notes, which survive a restart.

webpy serve examples/notes.py

curl -X PUT -d 'buy milk' http://127.0.0.1:8000/today
curl http://127.0.0.1:8000/today
curl -X DELETE http://127.0.0.1:8000/today
"""

from __future__ import annotations

import webpy as web
import webpy.store

# In webpy-store.sqlite3 in the state directory, or at the URL in the environment's WEBPY_STORE.
notes = webpy.store.open()


class Note(web.HTTPHandler):
    def do_get(self):
        note = notes.get(self.request.path)
        if note is None:
            raise web.HTTPError(404)
        # Sent as text: a note with HTML in it is not a page with scripts for other clients.
        self.response.headers.set("Content-Type", "text/plain; charset=utf-8")
        self.response.headers.set("X-Content-Type-Options", "nosniff")
        return 200, note

    def do_put(self):
        note = self.request.body
        if notes.cas(self.request.path, None, note):
            return 201, "Created\n"
        notes[self.request.path] = note
        return 204, None

    def do_delete(self):
        try:
            del notes[self.request.path]
        except KeyError:
            raise web.HTTPError(404) from None
        return 204, None


routes = {"/.*": Note}
