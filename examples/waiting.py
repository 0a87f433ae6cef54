"""Three kinds of handlers side by side; nothing has to be said about which is which.

webpy serve examples/waiting.py

curl http://127.0.0.1:8000/quick        answered on the worker's own loop
curl http://127.0.0.1:8000/wait/50      sleeps 50 ms, as if asking a database: learned, and moved to a thread
curl http://127.0.0.1:8000/compute/50   uses the CPU for 50 ms: learned, and run one at a time, the rest stays quick

Put load on one of the slow two (`wrk -c 32 http://127.0.0.1:8000/compute/10`) and time `/quick` beside it.
"""

from __future__ import annotations

import time

import webpy as web


class Quick(web.HTTPHandler):
    def do_get(self):
        return 200, "quick\n"


class Wait(web.HTTPHandler):
    def do_get(self):
        time.sleep(int(self.groups[0]) / 1000)
        return 200, "waited\n"


class Compute(web.HTTPHandler):
    def do_get(self):
        end_s = time.thread_time() + int(self.groups[0]) / 1000
        rounds = 0
        while time.thread_time() < end_s:
            rounds += 1
        return 200, f"computed {rounds} rounds\n"


routes = {
    "/quick": Quick,
    r"/wait/(\d{1,4})": Wait,
    r"/compute/(\d{1,4})": Compute,
}
