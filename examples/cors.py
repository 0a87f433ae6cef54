"""A list that scripts of other sites may read and change; `cors_origins` says of which sites.

webpy serve examples/cors.py
curl -i -H 'Origin: http://localhost:3000' http://127.0.0.1:8000/colours
curl -i -X OPTIONS -H 'Origin: http://localhost:3000' -H 'Access-Control-Request-Method: PUT' \\
    http://127.0.0.1:8000/colours/red

In a page of http://localhost:3000:

await fetch('http://127.0.0.1:8000/colours/red', {method: 'PUT', body: '#f00'})
await (await fetch('http://127.0.0.1:8000/colours')).text()
"""

from __future__ import annotations

from webpy import HTTPError, store
from webpy.cors import CORSMixIn

colours = store.open("sqlite:///colours.sqlite3")


class Shared(CORSMixIn):
    cors_origins = ("http://localhost:3000",)
    cors_exposed = ("X-Colours",)


class Colours(Shared):
    def do_get(self):
        names = sorted(colours)
        self.response.headers.set("X-Colours", str(len(names)))
        return 200, "".join(f"{name}\n" for name in names)


class Colour(Shared):
    def do_get(self):
        try:
            colour = colours[self.groups["name"]]
        except KeyError:
            raise HTTPError(404) from None  # scripts of other sites can read this answer, too
        self.response.headers.set("Content-Type", "text/plain; charset=utf-8")  # never a page, whatever was stored
        return 200, colour

    def do_put(self):
        colours[self.groups["name"]] = self.request.body
        return 204, None


routes = {
    "/colours": Colours,
    r"/colours/(?P<name>[a-z]{1,20})": Colour,
}
