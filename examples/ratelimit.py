"""Limits: ten searches at once and one every two seconds for each client; for users with a key, by key.

webpy serve examples/ratelimit.py
curl -i http://127.0.0.1:8000/search
curl -i -H 'X-Key: secret' http://127.0.0.1:8000/search
"""

import webpy
from webpy.ratelimit import RateLimitMixIn

KEYS = {"secret": "ann", "other": "bob"}


class Search(RateLimitMixIn):
    ratelimit_requests = 30
    ratelimit_window_s = 60
    ratelimit_burst = 10

    def ratelimit_key(self):
        key = self.request.headers.get("X-Key")
        if key is None:
            return super().ratelimit_key()  # the client's address
        if key not in KEYS:  # whatever a client may invent must not have an allowance of its own
            raise webpy.HTTPError(403, "unknown key\n")
        return "user " + KEYS[key]

    def do_get(self):
        return 200, "nothing found\n"


routes = {"/search": Search}
