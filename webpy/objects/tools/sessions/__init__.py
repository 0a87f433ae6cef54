"""The tool `sessions`: `webpy.objects.session`, a mapping for each client, shared by all workers.

    config = {"/": {"tools.sessions.on": True}}

    @webpy.objects.expose
    def index(self):
        webpy.objects.session["visits"] = webpy.objects.session.get("visits", 0) + 1
        return str(webpy.objects.session["visits"])

Options, below `tools.sessions.`:

- `storage_class`, of `lib.sessions`: `RamSession`; `FileSession`, which wants `storage_path`, a directory; or
  `MemcachedSession`, which takes `servers`, a list of one, `["localhost:11211"]`. `storage_type` names them `ram`,
  `file` and `memcached`, and also takes a URL of `webpy.store`, such as `redis://localhost`. A `webpy.store.Store`
  is given as `store`.
- `timeout`: the minutes that an unused session lasts, and its cookie: 60.
- `name`, `path`, `path_header`, `domain`, `secure`, `httponly`, `samesite`: of the cookie, `session_id` and `/`;
  `persistent`: False has the cookie end with the browser. It is HttpOnly and SameSite=Lax, which CherryPy's is not,
  unless `httponly` is False and `samesite` is "Strict", "None" or False.
- `locking`: `implicit` or `explicit`, a session is this request's alone from the first touch; `early`: from before the
  body is read. `lock_timeout`: the seconds that other requests of it wait before they get 503: 10.

`ram` is for one process in CherryPy. Here there are many, so such sessions are kept where those of `webpy.session` are:
at the URL in the environment's WEBPY_SESSION, else in `webpy-sessions.sqlite3` in the state directory. They then
outlive a restart. As in CherryPy, what a page has changed in them is kept also when it then fails with an error that
nobody expected; in sessions of other kinds it is not.

What can be kept is what JSON has, and tuples, sets, bytes, dates, times, decimals and UUIDs; nothing is pickled, and of
other objects there is an error when the session is saved. An id that the client made up is never taken over. `delete()`
ends a session also after it was touched, where CherryPy brings it back. `expire()` has the browser forget its cookie.
"""
