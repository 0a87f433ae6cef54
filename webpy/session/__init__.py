"""Sessions: a mapping for each client, kept on the server and shared by all workers: `SessionMixIn`.

    class Counter(webpy.session.SessionMixIn):
        def do_get(self):
            self.session['visits'] = self.session.get('visits', 0) + 1
            return 200, f"visit {self.session['visits']}\\n"

    class Login(webpy.session.SessionMixIn, webpy.form.FormHandler):
        def do_post(self):
            user = ...                           # find out who the client is
            self.session.regenerate()            # a new id at login: one that was planted or stolen before is useless
            self.session['user'] = user
            ...

    class Logout(webpy.session.SessionMixIn):
        def do_post(self):
            self.session.invalidate()            # deletes the session and the cookie
            return 204, None

Use: subclass the mix-in, or put it in front of other handlers. The session is loaded when it is first touched, and
saved when the method has returned, before the answer is sent. A handler that does not touch it costs nothing. If the
method raises an `HTTPError` below 500, the session is saved too; after any other exception its changes are lost. An
empty new session is not saved and gets no cookie.

From the first touch until it is saved, a session belongs to one request, across all workers: `session['n'] += 1` loses
no update. Another request of the same session waits on its thread, at most `session_wait_s`, and is then answered with
503 and Retry-After; at once if 16 requests of its worker wait already. So do slow work before the first touch, or after
`self.save_session()`, which saves and lets the next request in (touched again, the session is loaded again). With
`session_read_only = True` a handler neither waits nor saves. A killed worker blocks no other: the kernel frees its
locks at once; in Redis and memcached they end after 5 s. In any case, a session that another request has changed
meanwhile is not overwritten: the answer is 503.

Values are those of JSON: dict with str names, list (a tuple becomes one), str, int, float, bool, None. Nothing is
pickled. Saving anything else raises an exception (500), and nothing changes.

The cookie contains 256 random bits, the store only their SHA-256: a reader of the store cannot take over a session. The
cookie is HttpOnly, SameSite=Lax and, under TLS, Secure. An id that is unknown, expired or made up is never used: the
client gets a new one. The answer of a handler that touched the session says `Vary: Cookie` and, unless the handler has
set another, `Cache-Control: private, no-cache`. From the handler's own, `public` and `s-maxage` are removed: no shared
cache may keep such an answer.

Options, class attributes of the handler, checked when the class is made:

- `session_store = None`: a URL of `webpy.store` or a `Store`. None is the URL in the environment's `WEBPY_SESSION`,
  else `webpy-sessions.sqlite3` in the state directory (see `webpy.store`). A SQLite file or a folder of files has a
  lock file beside it, `<path>.lock`.
- `session_idle_s = 1800`: a session ends when it was not used for so long (within a tenth).
- `session_ttl_s = 43200`: it ends so long after it began or was last regenerated, even if it is used; None for never.
- `session_wait_s = 10`: how long a request waits for another one of its session.
- `session_read_only = False`: True for handlers that only read sessions.
- `session_max_bytes = 65536`: the limit of its JSON.
- `session_cookie = "session"`, `session_path = "/"`, `session_domain = None`, `session_same_site = "Lax"`: the cookie.
- `session_secure = None`: None for Secure if the client used HTTPS (a proxy that ends TLS has to be one of
  `--forwarded-allow-ips`, or set True).
- `session_persistent = False`: True if the cookie outlives the browser, for `session_idle_s`.

Order: the mix-in stands before classes whose methods touch the session, and before `CachingMixIn`.

Caveats: before the mix-in's `respond` runs, and in `check_continue`, the session can only be read; while the body is
sent (an iterable), it can be read if it was touched before. A `memory:` store is for one worker only. A handler with
`stream = True` that touches the session before its body has arrived blocks other requests of the session for as long as
the client sends. A request that waited while another one regenerated its session finds it empty, and is answered with
503 if it changes it. SameSite=Lax helps against forged requests of other sites (CSRF) only if no GET changes anything.
Under TLS call the cookie `__Host-session`: then no other host can set one.

A request's session in SQLite costs 19 µs to read and 42 µs to change, in files 23 and 230 µs (CPU time of the process,
CPython 3.11, a shared 2-core VM).

Until the next version `session_ttl_s` is also understood as `session_life_s`, with a DeprecationWarning.

`handler` has the mix-in, `session` the mapping, `keeper` loads and saves, `locks` and `leases` let one request at a
time have a session, `registry` finds the keeper of a store.
"""

from __future__ import annotations

from .handler import SessionMixIn
from .keeper import Keeper, SessionBusy, SessionLost, Terms
from .registry import find_keeper
from .session import Session

__all__ = ["Keeper", "Session", "SessionBusy", "SessionLost", "SessionMixIn", "Terms", "find_keeper"]
