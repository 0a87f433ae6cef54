"""Errors in the application's own words: `error_routes` maps a regex on the status code to a handler.

webpy serve examples/errors.py

curl -i http://127.0.0.1:8000/nowhere   404 from the routes, as JSON
curl -i http://127.0.0.1:8000/teapot    418 raised by a handler, with a header and a reason phrase of its own
curl -i http://127.0.0.1:8000/broken    500: the client gets the status, the error log the traceback
"""

from __future__ import annotations

import json

import webpy as web


class Teapot(web.HTTPHandler):
    def do_get(self):
        headers = web.HTTPHeaders()
        headers.set("Retry-After", "300")
        raise web.HTTPError(418, "short and stout", headers=headers, status_message="I am a teapot")


class Broken(web.HTTPHandler):
    def do_get(self):
        return 200, f"{1 / 0}"


class JSONError(web.HTTPErrorHandler):
    def format(self):
        self.response.headers.set("Content-Type", "application/json")
        message = self.error.message or self.error.status_message
        return json.dumps({"status": self.error.status, "message": message}) + "\n"


class Apology(web.HTTPErrorHandler):
    def format(self):
        return f"Our mistake ({self.error.status}), sorry.\n"


routes = {"/teapot": Teapot, "/broken": Broken}

# The first regex that matches the whole status code wins; errors that none matches get the standard body.
error_routes = {"4..": JSONError, "5..": Apology}
