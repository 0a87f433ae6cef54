"""Each request has an id, its own or a new one, in the answer, the access log, the error log and the application's log.

webpy serve examples/request_id.py --access-format '%(h)s "%(r)s" %(s)s %(D)s %({x-request-id}o)s'
curl -i http://127.0.0.1:8000/work
curl -i -H 'X-Request-ID: order-66' http://127.0.0.1:8000/work
curl -i http://127.0.0.1:8000/broken            # 500: find it in the error log by its id
"""

from __future__ import annotations

import logging

from webpy.requestid import RequestIDFilter, RequestIDMixIn

log = logging.getLogger("shop")
handler = logging.StreamHandler()
handler.addFilter(RequestIDFilter())
handler.setFormatter(logging.Formatter("%(request_id)s %(message)s"))
log.addHandler(handler)
log.setLevel(logging.INFO)


class Work(RequestIDMixIn):
    def do_get(self):
        log.info("working")
        return 200, f"done, {self.request.id}\n"


class Broken(RequestIDMixIn):
    def do_get(self):
        return 200, 1 / 0


routes = {"/work": Work, "/broken": Broken}
