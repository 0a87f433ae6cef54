"""Sessions: a mapping for each client, kept on the server and shared by all workers.

    class Counter(webpy.session.SessionMixIn):
        def do_get(self):
            self.session['visits'] = self.session.get('visits', 0) + 1
            return 200, f"visit {self.session['visits']}\\n"

    class Login(webpy.session.SessionMixIn, webpy.form.FormHandler):
        def do_post(self):
            ...                                  # who is it?
            self.session.regenerate()            # a new id at login: one that was planted or stolen before is of no use
            self.session['user'] = user
            ...

    class Logout(webpy.session.SessionMixIn):
        def do_post(self):
            self.session.invalidate()            # deletes it, and the cookie
            return 204, None

The session is loaded when it is first touched and saved when the method has returned, before the answer leaves. A
handler that does not touch it pays nothing. A method that raises an `HTTPError` below 500 saves too; after any other
exception nothing of it is kept. An empty new session is neither saved nor given a cookie.

From the first touch until it is saved a session is this request's alone, on all workers: `session['n'] += 1` loses
nothing. Another request of the same session waits on its thread, at most `session_wait_s`, then it gets 503 with
Retry-After; at once if 16 of its worker wait already. So slow work comes before the first touch, or after
`self.save_session()`, which saves and lets the next one in (touched again, the session is loaded again). With
`session_read_only = True` a handler neither waits nor saves. A killed worker holds up nobody: its locks are freed by
the kernel at once, in Redis and memcached they end after 5 s. Whatever happens, a session that another request has
changed meanwhile is never overwritten: 503 instead.

Values are what JSON has: dict with str names, list (a tuple comes back as one), str, int, float, bool, None. Nothing
is pickled. What cannot be kept is an exception when it is saved (500), and nothing has changed.

The cookie holds 256 random bits, the store only their SHA-256: who can read the store still cannot take over a session.
It is HttpOnly, SameSite=Lax and, under TLS, Secure. An id that is unknown, expired or made up is never taken over: the
client gets a new one. The answer of a handler that touched the session says `Vary: Cookie` and, unless the handler
said something else, `Cache-Control: private, no-cache`. What the handler says holds, but for `public` and `s-maxage`:
no cache that several clients share may keep such an answer.

Options, attributes of the handler class, which are checked when it is made:

- `session_store`: a URL of `webpy.store` or a `Store`; None is the environment's `WEBPY_SESSION` if set, else
  `sqlite:///webpy-sessions.sqlite3`. Beside a SQLite file or a folder of files is a lock file, `<path>.lock`.
- `session_idle_s = 1800`: ends when it was not used for so long, give or take a tenth.
- `session_life_s = 43200`: ends so long after it began or was last regenerated, however it is used; None is never.
- `session_wait_s = 10`; `session_read_only = False`; `session_max_bytes = 65536` of its JSON.
- `session_cookie = "session"`, `session_path = "/"`, `session_domain = None`, `session_same_site = "Lax"`;
  `session_secure = None` (True behind a proxy that ends TLS); `session_persistent = False` (True: the cookie outlives
  the browser, for `session_idle_s`). Under TLS call it `__Host-session`: no other host can then plant one.

Caveats: the mix-in comes before those whose methods touch the session. Before them, and in `check_continue`, it can be
read only; when the body is sent (an iterable) it can be read if it had been touched before. `memory:` is for one
worker. A handler with `stream = True` that touches it before its body has arrived keeps it for as long as the client
sends. A request that waited while another one regenerated its session finds it empty, and gets 503 if it writes.
Against forged requests of other sites (CSRF) SameSite=Lax helps only as long as no GET changes anything.

A request's session in SQLite costs 19 µs to read and 42 µs to change, in files 23 and 230 µs (CPU time of the process,
CPython 3.11, a shared 2-core VM).

`handler` has the mix-in, `session` the mapping, `keeper` loads and saves, `locks` and `leases` keep requests apart,
`registry` knows which keeper is whose.
"""

from __future__ import annotations

from .handler import SessionMixIn
from .keeper import Keeper, SessionBusy, SessionLost, Terms
from .registry import find_keeper
from .session import Session

__all__ = ["Keeper", "Session", "SessionBusy", "SessionLost", "SessionMixIn", "Terms", "find_keeper"]
