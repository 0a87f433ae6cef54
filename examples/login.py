"""A login with a form and a session, which all workers share and which ends at logout or after half an hour unused.

webpy serve examples/login.py

Open http://127.0.0.1:8000/ in a browser and log in as ann with the password sesame, or:

curl -c jar -d user=ann -d password=sesame http://127.0.0.1:8000/login
curl -b jar http://127.0.0.1:8000/              hello, ann
curl -b jar -X POST http://127.0.0.1:8000/logout

Sessions are in webpy-sessions.sqlite3 in the state directory, or at the URL in the environment's WEBPY_SESSION, and the
counts of login attempts in webpy-store.sqlite3. Use TLS (--certfile): the cookie is then Secure.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import os
from urllib.parse import urlsplit

import webpy as web
import webpy.store
from webpy.form import FormMixIn
from webpy.session import SessionMixIn

PAGE = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Login</title>
<style>
body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 22rem; margin: 3rem auto; padding: 0 1rem }}
label, input, button {{ display: block; width: 100%; box-sizing: border-box; font: inherit }}
input, button {{ padding: .5rem; margin: .25rem 0 1rem }}
.problem {{ color: #b00020 }}
</style>
{body}
</html>
"""

FORM = """<h1>Log in</h1>
<p class="problem" role="alert">{problem}</p>
<form method="post" action="/login">
<label for="user">Name</label>
<input id="user" name="user" value="{user}" autocomplete="username" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button>Log in</button>
</form>
"""

WELCOME = """<h1>Hello, {user}</h1>
<p>Visits since you logged in: {visits}.</p>
<form method="post" action="/logout"><button>Log out</button></form>
"""


def hash_of(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode("utf-8", "surrogatepass"), salt=salt, n=2**14, r=8, p=1)


salt = os.urandom(16)
users = {"ann": hash_of("sesame", salt)}  # a real site stores only the hashes, each with a salt of its own
unknown = hash_of("", os.urandom(16))  # so that an unknown name takes as long as a wrong password
attempts = webpy.store.open()


class Site(SessionMixIn, FormMixIn):
    def respond(self):
        headers = self.response.headers
        headers.set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
        # No page of another site may send this site's forms, not even the login.
        origin = self.request.headers.get("Origin")
        if self.request.method == "POST" and origin and urlsplit(origin).netloc != self.request.host:
            raise web.HTTPError(403, "this form is of another site\n")
        return super().respond()

    def page(self, status, body, **values):
        self.response.headers.set("Content-Type", "text/html; charset=utf-8")
        body = body.format(**{name: html.escape(str(value)) for name, value in values.items()})
        return status, PAGE.format(body=body)

    def see(self, path):
        self.response.headers.set("Location", path)
        return 303, None


class Home(Site):
    def do_get(self):
        user = self.session.get("user")
        if user is None:
            return self.see("/login")
        self.session["visits"] = self.session.get("visits", 0) + 1
        return self.page(200, WELCOME, user=user, visits=self.session["visits"])


class Login(Site):
    def do_get(self):
        return self.page(200, FORM, user="", problem="")

    def do_post(self):
        user, password = (str(self.request.body.get(name, "")) for name in ("user", "password"))
        # Behind a proxy all clients have its address: count by the address that the proxy passes on.
        if attempts.incr(f"attempts of {self.request.client_address[0]}", expires_s=60) > 10:
            return self.page(429, FORM, user=user, problem="Too many attempts, wait a minute.")
        right = hmac.compare_digest(hash_of(password, salt), users.get(user, unknown))
        if not right:
            return self.page(403, FORM, user=user, problem="Name or password is wrong.")
        self.session.regenerate()  # a new id, so that one that an attacker has planted is useless
        self.session.update(user=user, visits=0)
        return self.see("/")


class Logout(Site):
    def do_post(self):
        self.session.invalidate()
        return self.see("/login")


routes = {"/": Home, "/login": Login, "/logout": Logout}
