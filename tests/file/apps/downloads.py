"""Handlers that answer with `send_file`, beside mix-ins, in a folder that holds `site`."""

import os
from urllib.parse import unquote

import webpy as web
import webpy.file
from webpy.auth import BasicAuthMixIn
from webpy.caching import CachingMixIn
from webpy.compression import CompressionMixIn
from webpy.session import SessionMixIn


class Inside(web.HTTPHandler):
    """A file of `site`, by any name that a client gives."""

    def do_get(self):
        return webpy.file.send_file(self, unquote(self.groups[0]), root="site")


class Anywhere(web.HTTPHandler):
    def do_get(self):
        return webpy.file.send_file(self, os.path.abspath("outside.txt"))


class Saved(web.HTTPHandler):
    def do_get(self):
        return webpy.file.send_file(self, "site/ä €.txt", attachment=True)


class Named(web.HTTPHandler):
    def do_get(self):
        self.response.headers.set("Content-Type", "text/csv; header=present")
        self.response.headers.set("Cache-Control", "no-store")
        self.response.headers.add("Set-Cookie", "seen=1")
        return webpy.file.send_file(self, "site/a.txt", root=".", attachment=unquote(self.groups[0]))


class Mixed(CompressionMixIn, CachingMixIn):
    def do_get(self):
        return webpy.file.send_file(self, "site/a.txt")


class Guarded(BasicAuthMixIn, SessionMixIn):
    def login(self, user, password):
        return (user, password) == ("ann", "sesame")

    def do_get(self):
        self.session["seen"] = self.session.get("seen", 0) + 1
        return webpy.file.send_file(self, "site/a.txt")


class Locked(web.HTTPHandler):
    atomic = True

    def do_get(self):
        return webpy.file.send_file(self, "site/a.txt")


routes = {
    "/inside/(.*)": Inside,
    "/anywhere": Anywhere,
    "/saved": Saved,
    "/named/(.*)": Named,
    "/mixed": Mixed,
    "/guarded": Guarded,
    "/locked": Locked,
}
