"""Digest: the client proves that it knows the password without sending it, and no proof is accepted twice.

webpy serve examples/login_digest.py

curl -i http://127.0.0.1:8000/                        401: a challenge for SHA-256, one for MD5
curl --digest -u ann:sesame http://127.0.0.1:8000/    hello, ann
curl --digest -u ann:wrong http://127.0.0.1:8000/     401

The counts of the nonces are in webpy-auth.sqlite3 in the state directory, for all workers.
"""

from __future__ import annotations

import webpy.auth

passwords = {"ann": "sesame"}  # `auth_users = webpy.auth.htdigest(path)` keeps them out of the source


class Hello(webpy.auth.DigestAuthHandler):
    auth_realm = "hello"

    def password(self, user):
        return passwords.get(user)

    def do_get(self):
        return 200, f"hello, {self.auth}\n"


routes = {"/": Hello}
