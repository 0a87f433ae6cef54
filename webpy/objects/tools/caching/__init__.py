"""The tool `caching`: answers are kept, and sent again without calling the page handler.

    @webpy.objects.expose
    @webpy.objects.tools.caching(delay=60)
    def report(self): ...

An answer to GET is kept for `delay` seconds (600): one for each URL, query, and value of the fields that its Vary
names. POST, PUT and DELETE drop the answers kept for their URL. Kept answers are sent with an Age. The request's
`Pragma: no-cache` and `Cache-Control: no-cache` or `max-age=…` are followed. Not kept are: answers with `no-store` or
`Pragma: no-cache`; parts of a body and results of conditions (206, 304, 412…); errors from 500 on; answers to requests
with Authorization, unless they say `Cache-Control: public`. CherryPy keeps the last two. Cookies are never kept, but
the page is: one that depends on the session is then the same for all clients.

Options: `delay`; `maxobj_size = 100000`, the longest answer in bytes; `invalid_methods`; `store`, a URL of
`webpy.store`; `cache_class`: `StoreCache`, which all workers share (by default at the URL in the environment variable
WEBPY_CACHE, or in `webpy-cache.sqlite3` in the state directory), or `MemoryCache`, in each worker's own memory: faster,
but after a POST the other workers send the old answer until `delay` is over. Simultaneous requests for an answer that
is not kept are all answered by the page handler.
"""

from __future__ import annotations

__all__: list[str] = []
