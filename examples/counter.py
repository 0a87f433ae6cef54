"""A counter that all workers share, and at most ten steps a minute for each client: incr() and expiring keys.

webpy serve examples/counter.py

curl -X POST http://127.0.0.1:8000/
curl http://127.0.0.1:8000/
for i in $(seq 12); do curl -s -o /dev/null -w '%{http_code} ' -X POST http://127.0.0.1:8000/; done

The counts are in webpy-store.sqlite3 in the state directory; to have them in Redis, for workers on several machines:
WEBPY_STORE=redis://127.0.0.1 webpy serve examples/counter.py
"""

from __future__ import annotations

from contextlib import contextmanager

import webpy as web
import webpy.store

LIMIT = 10
PERIOD_S = 60

store = webpy.store.open()


@contextmanager
def answered():
    """Answer 503 if the store cannot be used."""
    try:
        yield
    except webpy.store.StoreError as error:
        raise web.HTTPError(503) from error


class Counter(web.HTTPHandler):
    def do_get(self):
        with answered():
            return 200, f"{store.get('count', b'0').decode()}\n"

    def do_post(self):
        """Count one more; answer 429 from the client's eleventh request on, until a minute after its first."""
        with answered():
            if store.incr(f"requests of {self.request.client_address[0]}", expires_s=PERIOD_S) > LIMIT:
                raise web.HTTPError(429, headers={"Retry-After": str(PERIOD_S)})
            return 200, f"{store.incr('count')}\n"


routes = {"/": Counter}
