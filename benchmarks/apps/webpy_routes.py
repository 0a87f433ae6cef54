"""Tables of BENCH_ROUTES regexes for webpy, the last of which is asked for: with literal beginnings, and without."""

from __future__ import annotations

import os

from benchmarks.apps.webpy_app import Hello

__all__ = ["headless", "routes"]

COUNT = int(os.environ.get("BENCH_ROUTES", "1"))

routes = {"/": Hello, **{f"/s{number}/(.*)": Hello for number in range(1, COUNT)}}
routes["/last/(.*)"] = Hello
# each begins with a group, so that its literal text does not say at once whether it matches
headless = {"/": Hello, **{f"/([a-z]+)/s{number}/(.*)": Hello for number in range(1, COUNT)}}
headless["/([a-z]+)/last/(.*)"] = Hello
