"""A search: the query as a mapping, names with several values, and the answer to a bad query.

webpy serve examples/query.py

curl 'http://127.0.0.1:8000/search?q=apple'
curl 'http://127.0.0.1:8000/search?colour=red&colour=green&page=2'
curl -i 'http://127.0.0.1:8000/search?q=100%'     400: "%" has to be sent as "%25"
"""

from __future__ import annotations

import webpy as web
from webpy import query

FRUIT = {"apple": "green", "banana": "yellow", "cherry": "red", "lime": "green", "pineapple": "yellow", "plum": "blue"}
PAGE = 2


class Search(query.QueryHandler):
    def do_get(self):
        word = self.query.get("q", "")
        colours = self.query.getlist("colour")
        number = self.query.get("page", "1")
        if not (number.isascii() and number.isdigit() and 0 < len(number) < 9 and int(number)):
            raise web.HTTPError(400, "page: wanted a number from 1\n")
        found = [name for name, colour in FRUIT.items() if word in name and (not colours or colour in colours)]
        first = (int(number) - 1) * PAGE
        return 200, "".join(f"{name}\n" for name in found[first : first + PAGE])


routes = query.new("/search", Search)
