"""Answers that are never whole in memory, and a body read while it arrives.

webpy serve examples/streaming.py

curl http://127.0.0.1:8000/count/5             an iterable: each piece is a chunk, sent when the client takes it
curl http://127.0.0.1:8000/source              a file, sent by the kernel
curl -T some.iso http://127.0.0.1:8000/digest  its SHA-256, from pieces of 64 KiB (raise --max-body for large ones)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import webpy as web


class Count(web.HTTPHandler):
    def do_get(self):
        self.response.headers.set("Content-Type", "text/plain; charset=utf-8")
        return 200, self.lines(int(self.groups["last"]))

    def lines(self, last: int) -> Iterator[bytes]:
        for number in range(1, last + 1):
            yield f"{number}\n".encode()


class Source(web.HTTPHandler):
    def do_get(self):
        self.response.headers.set("Content-Type", "text/x-python; charset=utf-8")
        return 200, open(__file__, "rb")  # the server closes it when the answer is sent


class Digest(web.HTTPHandler):
    stream = True  # do_put starts when the head is there

    def do_put(self):
        digest = hashlib.sha256()
        while piece := self.request.rfile.read(65536):
            digest.update(piece)
        return 200, digest.hexdigest() + "\n"


routes = {
    r"/count/(?P<last>\d{1,7})": Count,
    "/source": Source,
    "/digest": Digest,
}
