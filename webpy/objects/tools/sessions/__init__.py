"""The tool `sessions`: `webpy.objects.session`, a mapping for each client that all workers share.

    config = {"/": {"tools.sessions.on": True}}

    @webpy.objects.expose
    def index(self):
        webpy.objects.session["visits"] = webpy.objects.session.get("visits", 0) + 1
        return str(webpy.objects.session["visits"])

Options, below `tools.sessions.`:

- `storage_class`, from `lib.sessions`: `RamSession`; `FileSession`, which needs `storage_path`, a directory; or
  `MemcachedSession`, which takes `servers`, a list of one server, `["localhost:11211"]`. `storage_type` names them
  `ram`, `file` and `memcached`, and also takes a URL of `webpy.store`, such as `redis://localhost`. `store` takes a
  `webpy.store.Store`.
- `timeout`: how many minutes an unused session and its cookie last; 60 by default.
- `name`, `path`, `path_header`, `domain`, `secure`, `httponly`, `samesite`: of the cookie; its name is `session_id` and
  its path `/` by default. `persistent`: False makes a cookie that ends with the browser. The cookie is HttpOnly and
  SameSite=Lax, unlike CherryPy's, unless `httponly` is False and `samesite` is "Strict", "None" or False.
- `locking`: with `implicit` (the default) and `explicit`, the session is locked for this request from its first use;
  with `early`, from before the body is read. `lock_timeout`: how many seconds other requests of the session wait before
  they are answered with 503; 10 by default.

CherryPy keeps `ram` sessions in the memory of its one process. Workers share no memory, so they are kept where
`webpy.session` keeps its own: at the URL in the environment variable WEBPY_SESSION, or in `webpy-sessions.sqlite3` in
the state directory. They outlive a restart. As in CherryPy, changes to a `ram` session are kept even if the page fails
with an unexpected exception afterwards; changes to sessions of other kinds are not.

A session can keep what JSON has, and tuples, sets, bytes, dates, times, decimals and UUIDs. Nothing is pickled: other
objects raise an error when the session is saved. An id that a client has made up is never used. `delete()` also ends a
session that has been used in the request, where CherryPy restores it. `expire()` makes the browser drop its cookie.
"""

from __future__ import annotations

__all__: list[str] = []
