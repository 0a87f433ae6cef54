"""Compressed answers: one made as a whole, one made line by line, one from a file.

webpy serve examples/compressed.py
curl -s http://127.0.0.1:8000/table | wc -c
curl -sH 'Accept-Encoding: gzip' http://127.0.0.1:8000/table | wc -c
curl --compressed http://127.0.0.1:8000/count/5
curl -sI -H 'Accept-Encoding: gzip' http://127.0.0.1:8000/source

With `pip install 'webpy[compression]'`, clients that accept zstd or br get those.
"""

from __future__ import annotations

import time

from webpy.compression import CompressionMixIn


class Table(CompressionMixIn):
    def do_get(self):
        return 200, "".join(f"{number} {number * number}\n" for number in range(10_000))


class Count(CompressionMixIn):
    """Each line is sent at once, compressed together with those before it."""

    def do_get(self):
        self.response.headers.set("Content-Type", "text/plain; charset=utf-8")
        return 200, self.lines(int(self.groups["last"]))

    def lines(self, last):
        for number in range(1, last + 1):
            yield f"{number}\n".encode()
            time.sleep(0.05)


class Source(CompressionMixIn):
    """A file is read and compressed piece by piece."""

    def do_get(self):
        self.response.headers.set("Content-Type", "text/x-python; charset=utf-8")
        return 200, open(__file__, "rb")


routes = {
    "/table": Table,
    r"/count/(?P<last>\d{1,2})": Count,
    "/source": Source,
}
