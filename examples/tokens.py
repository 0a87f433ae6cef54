"""Tokens for programs: a person logs in (Basic) and makes one, a program shows it (Bearer).

webpy serve examples/tokens.py

curl -u ann:sesame -X POST http://127.0.0.1:8000/tokens              201 and a token that may read; shown only now
curl -u ann:sesame -X POST -d write http://127.0.0.1:8000/tokens     one that may write as well
curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8000/note    the note's text
curl -H "Authorization: Bearer $TOKEN" -X PUT -d hi http://127.0.0.1:8000/note     403 with a token that may only read
curl -H "Authorization: Bearer $TOKEN" -X DELETE http://127.0.0.1:8000/tokens      makes the token invalid

The store has only the SHA-256 of a token: a reader of the store cannot use it.
"""

from __future__ import annotations

import hashlib
import secrets

import webpy as web
import webpy.auth
import webpy.store

store = webpy.store.open()  # shared by all workers
PASSWORDS = {"ann": "sesame"}  # `auth_users = webpy.auth.htpasswd(path)` keeps them out of the source


def key_of(token):
    return "token/" + hashlib.sha256(token.encode()).hexdigest()


class TokenHandler(webpy.auth.TokenAuthHandler):
    """`self.auth` is a list: the user for whom the token was made, and what it may do."""

    auth_realm = "note"

    def token(self, token):
        found = store.get(key_of(token))
        return found and found.decode().split(":")


class Note(TokenHandler):
    def forbidden(self):
        return self.request.method == "PUT" and self.auth[1] != "write"

    def do_get(self):
        return 200, store.get("note", b"nothing yet\n")

    def do_put(self):
        store["note"] = self.request.body
        return 204, None


class Tokens(webpy.auth.BasicAuthMixIn, TokenHandler):
    def login(self, user, password):
        return [user, "login"] if webpy.auth.same(PASSWORDS.get(user, secrets.token_hex()), password) else None

    def forbidden(self):
        return self.request.method == "POST" and self.auth[1] != "login"  # a token cannot make tokens

    def do_post(self):
        scope = self.request.body.decode("latin-1") or "read"
        if scope not in ("read", "write"):
            raise web.HTTPError(400, "wanted read or write\n")
        token = secrets.token_urlsafe(32)
        store[key_of(token)] = f"{self.auth[0]}:{scope}".encode()
        self.response.headers.set("Cache-Control", "no-store")
        return 201, token + "\n"

    def do_delete(self):
        """Delete the token of this request."""
        token = self.request.headers["Authorization"].partition(" ")[2]
        if store.pop(key_of(token.strip()), None) is None:
            raise web.HTTPError(404)
        return 204, None


routes = {"/note": Note, "/tokens": Tokens}
