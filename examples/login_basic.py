"""A name and a password in front of a handler: Basic, with the users in a file.

htpasswd -cbs users.htpasswd ann sesame      (-B instead of -s, and `pip install 'webpy[auth]'`, for bcrypt)
webpy serve examples/login_basic.py

curl -i http://127.0.0.1:8000/                 401, with the challenge
curl -u ann:sesame http://127.0.0.1:8000/      hello, ann
curl -u ann:sesame http://127.0.0.1:8000/ops   403: ann is known, but not allowed here
curl -u me:secret http://127.0.0.1:8000/ops    hello, me: the handler itself knows this user

A change of users.htpasswd counts at once. Basic sends the password unencrypted: use it under TLS (`--certfile`), or see
login_digest.py.
"""

from __future__ import annotations

import os

import webpy as web
import webpy.auth


class Hello(webpy.auth.BasicAuthHandler):
    auth_realm = "hello"
    auth_users = webpy.auth.htpasswd(os.environ.get("HTPASSWD", "users.htpasswd"))

    def do_get(self):
        return 200, f"hello, {self.auth}\n"


class Operations(Hello):
    def login(self, user, password):
        if user == "me" and webpy.auth.same(password, "secret"):
            return user
        return super().login(user, password)

    def forbidden(self):
        return self.auth != "me"


class Health(web.HTTPHandler):
    def do_get(self):
        return 200, "well\n"  # for every client


routes = {"/": Hello, "/ops": Operations, "/health": Health}
