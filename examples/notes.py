"""Notes: PUT, GET and DELETE of any path, the same from every worker, and still there after a restart.

webpy serve examples/notes.py

curl -X PUT -d 'buy milk' http://127.0.0.1:8000/today
curl http://127.0.0.1:8000/today
curl -X DELETE http://127.0.0.1:8000/today
"""

from __future__ import annotations

import webpy as web
import webpy.store

# In webpy-store.sqlite3 in the state directory, or where the environment's WEBPY_STORE says.
notes = webpy.store.open()


class Note(web.HTTPHandler):
    def do_get(self):
        note = notes.get(self.request.path)
        if note is None:
            raise web.HTTPError(404)
        # What one client wrote is never a page with scripts to another.
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
