"""The application of tests/auth: a handler for each scheme and each of its options."""

from __future__ import annotations

import os

import webpy.store
from webpy import auth

PASSWORDS = {"ann": "sesame", "Jäsøn": "päss:wörd €"}
STORE = webpy.store.open("sqlite:///counts.sqlite3")


class Who(webpy.HTTPHandler):
    def do_get(self):
        self.response.headers.set("X-Worker", str(os.getpid()))
        return 200, f"{self.auth}"

    def do_put(self):
        return 200, f"{self.auth} {len(self.request.body)}"


class Basic(auth.BasicAuthMixIn, Who):
    auth_realm = 'a "quoted\\" réalm, really'

    def login(self, user, password):
        return user if auth.same(PASSWORDS.get(user, ""), password) and user in PASSWORDS else None


class Digest(auth.DigestAuthMixIn, Who):
    auth_realm = 'réalm, x="y"'
    auth_nonces = auth.Nonces(STORE)

    def password(self, user):
        return PASSWORDS.get(user)


class Plain(Digest):
    auth_realm = "plain"


class MD5(Plain):
    auth_algorithms = ("MD5",)


class Short(Plain):
    auth_nonces = auth.Nonces(STORE, lifetime_s=1.0)


class File(Plain):
    auth_users = auth.htdigest("users.htdigest")

    def password(self, user):
        raise AssertionError("the file is asked")


class Bearer(auth.TokenAuthMixIn, Who):
    def token(self, token):
        if auth.same(token, "reads"):
            return "reader"
        return "robot" if auth.same(token, "abc.DEF-1_~+/=") else ""

    def forbidden(self):
        return self.auth == "reader" and self.request.method == "PUT"


class All(auth.TokenAuthMixIn, auth.DigestAuthMixIn, auth.BasicAuthMixIn, Who):
    auth_realm = "plain"
    auth_nonces = Digest.auth_nonces
    password = Digest.password
    token = Bearer.token
    login = Basic.login

    def forbidden(self):
        return self.request.method == "PUT"


class Any(auth.AuthMixIn, Who):
    def auth_any(self, token):
        return token

    def auth_x_key(self, token):
        return {"key": token} if token == "1" else False

    def auth_raising(self, token):
        raise auth.AuthError("Raising", 'a "b"', headers={"X-More": "yes"})


class Fewer(Any):
    auth_any = None


class Nothing(auth.AuthMixIn, Who):
    pass


routes = {
    "/basic": Basic,
    r"/digest(\?.*)?": Digest,
    "/plain": Plain,
    "/md5": MD5,
    "/short": Short,
    "/file": File,
    "/bearer": Bearer,
    "/all": All,
    "/any": Any,
    "/fewer": Fewer,
    "/nothing": Nothing,
}
