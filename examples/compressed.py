"""Answers that leave compressed, whole and as they are made.

webpy serve examples/compressed.py
curl -s http://127.0.0.1:8000/table | wc -c
curl -sH 'Accept-Encoding: gzip' http://127.0.0.1:8000/table | wc -c
curl --compressed http://127.0.0.1:8000/count/5
curl -sI -H 'Accept-Encoding: gzip' http://127.0.0.1:8000/source

With `pip install 'webpy[compression]'` it is zstd or br for clients that take them.
"""

from __future__ import annotations

import time

from webpy.compression import CompressionMixIn


class Table(CompressionMixIn):
    def do_get(self):
        return 200, "".join(f"{number} {number * number}\n" for number in range(10_000))


class Count(CompressionMixIn):
    """Each line leaves at once, compressed with what went before."""

    def do_get(self):
        self.response.headers.set("Content-Type", "text/plain; charset=utf-8")
        return 200, self.lines(int(self.groups["most"]))

    def lines(self, most):
        for number in range(1, most + 1):
            yield f"{number}\n".encode()
            time.sleep(0.05)


class Source(CompressionMixIn):
    """A file is read piece by piece."""

    def do_get(self):
        self.response.headers.set("Content-Type", "text/x-python; charset=utf-8")
        return 200, open(__file__, "rb")


routes = {
    "/table": Table,
    r"/count/(?P<most>\d{1,2})": Count,
    "/source": Source,
}
