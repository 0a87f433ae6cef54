"""Uploads under TLS, and a look at whether two threads are ever in one TLS connection at once.

POST /DO: all (read, and told back), part (a piece of it), none, pieces (an iterator, after a piece), later (answered by
another thread, after a piece), length (how much there was).
GET /overlaps: how many times a thread came into a connection while another was there.
"""

from __future__ import annotations

import ssl
import threading
import time

import webpy
from webpy.framework.later import Later

overlaps = []


class Watched(ssl.SSLSocket):
    """Counts what OpenSSL does not bear; each visit is lengthened, so that two that may meet do."""

    def _visit(self, method, *given):
        visitor = self.__dict__.setdefault("visitor", threading.Lock())
        alone = visitor.acquire(blocking=False)
        if not alone:
            overlaps.append(method.__name__)
        try:
            time.sleep(0.0002)
            return method(*given)
        finally:
            if alone:
                visitor.release()

    def read(self, *given):
        return self._visit(super().read, *given)

    def write(self, *given):
        return self._visit(super().write, *given)

    def pending(self):
        return self._visit(super().pending)

    def unwrap(self):
        return self._visit(super().unwrap)

    def _real_close(self):
        return self._visit(super()._real_close)


ssl.SSLContext.sslsocket_class = Watched


class Uploads(webpy.HTTPHandler):
    stream = True

    def do_post(self):
        body = self.request.rfile
        match self.groups[0]:
            case "all":
                return 200, body.read()
            case "length":
                length = 0
                while piece := body.read(1 << 18):
                    length += len(piece)
                return 200, str(length)
            case "none":
                return 200, "none"
        piece = body.read(100)
        match self.groups[0]:
            case "part":
                return 200, piece
            case "pieces":
                return 200, iter([piece] * 10)
            case "later":
                return Later(lambda answer: threading.Timer(0.001, answer.respond, [(200, piece)]).start())
        raise webpy.HTTPError(404)


class Overlaps(webpy.HTTPHandler):
    def do_get(self):
        return 200, str(len(overlaps))


routes = {"/overlaps": Overlaps, "/(all|length|none|part|pieces|later)": Uploads}
