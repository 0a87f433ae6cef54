"""Batches of events that clients send compressed: they are JSON for the handler, and never more than 20 MB.

webpy serve examples/batches.py
echo '[1, 2, 3]' | gzip | curl -H 'Content-Encoding: gzip' -H 'Content-Type: application/json' --data-binary @- http://127.0.0.1:8000/
"""

from __future__ import annotations

from webpy.decompression import DecompressionMixIn
from webpy.json import JSONHandler


class Batch(DecompressionMixIn, JSONHandler):
    decompression_max_bytes = 20 << 20
    json_kind = list

    def do_post(self):
        return 200, {"events": len(self.request.body)}


routes = {"/": Batch}
