"""Handlers that want to write: a store, sessions, Digest's counts, a file of their own, forms, bodies."""

import os

import webpy as web
import webpy.auth
import webpy.form
import webpy.session
import webpy.store

store = webpy.store.open("sqlite:///store.sqlite3")


class Store(web.HTTPHandler):
    def do_get(self):
        store["a"] = os.urandom(5000)
        return 200, "stored"


class Session(webpy.session.SessionMixIn):
    session_store = "sqlite:///sessions.sqlite3"

    def do_get(self):
        self.session["n"] = os.urandom(2000).hex()
        return 200, "kept"


class Digest(webpy.auth.DigestAuthHandler):
    auth_realm = "r"
    auth_nonces = webpy.auth.Nonces(webpy.store.open("sqlite:///auth.sqlite3"))

    def password(self, user):
        return "secret"

    def do_get(self):
        return 200, "in"


class File(web.HTTPHandler):
    def do_get(self):
        with open("own", "wb", buffering=0) as file:
            file.write(b"x")
        return 200, "written"


class Form(webpy.form.FormHandler):
    form_limits = webpy.form.FormLimits(memory_bytes=10, file_bytes=1 << 20)

    def do_post(self):
        return 200, str(self.request.body["photo"]["length"])


class Body(web.HTTPHandler):
    def do_post(self):
        return 200, str(len(self.request.body))


routes = {"/store": Store, "/session": Session, "/digest": Digest, "/file": File, "/form": Form, "/body": Body}
