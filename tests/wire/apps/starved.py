"""A worker that may have no more threads once it has been asked for /limit; /free lets it have them again."""

from __future__ import annotations

import os
import resource
import threading
import time

import webpy as web

_together = threading.Barrier(4)


class Limit(web.HTTPHandler):
    def do_get(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
        resource.setrlimit(resource.RLIMIT_NPROC, (1, hard))
        if not os.getuid():  # the limit is not root's
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        thread = threading.Thread(target=lambda: None)
        try:
            thread.start()
        except RuntimeError as error:
            return 200, str(error)
        thread.join()
        return 500, "there are threads to be had all the same"


class Free(web.HTTPHandler):
    def do_get(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
        resource.setrlimit(resource.RLIMIT_NPROC, (hard, hard))
        return 204, None


class Hello(web.HTTPHandler):
    def do_get(self):
        return 200, "hello"


class Waits(web.HTTPHandler):
    def do_get(self):
        time.sleep(0.02)
        return 200, "waited"


class Pieces(web.HTTPHandler):
    def do_get(self):
        return 200, (b"x" * 1000 for _ in range(10))


class Asked(web.HTTPHandler):
    def check_continue(self):
        time.sleep(0.01)

    def do_post(self):
        return 200, self.request.body


class Streams(web.HTTPHandler):
    stream = True

    def do_post(self):
        return 200, str(len(self.request.rfile.read()))


class Together(web.HTTPHandler):
    def do_get(self):
        return 200, str(_together.wait(20))


routes = {
    "/limit": Limit,
    "/free": Free,
    "/hello": Hello,
    "/waits": Waits,
    "/pieces": Pieces,
    "/asked": Asked,
    "/streams": Streams,
    "/together": Together,
}
