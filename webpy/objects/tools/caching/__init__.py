"""The tool `caching`: answers are kept, and given again without asking the page handler.

    @webpy.objects.expose
    @webpy.objects.tools.caching(delay=60)
    def report(self): ...

An answer to GET is kept for `delay` seconds (600), one for each URL, query, and value of the fields that its Vary
names; other methods drop what is kept of their URL. Kept answers have an Age. `Pragma: no-cache` and `Cache-Control:
no-cache` or `max-age=…` of the request are followed. Not kept are answers that say `no-store` or `Pragma: no-cache`,
parts and what conditions came to (206, 304, 412…), errors from 500, and what somebody got by his password, unless it
says `Cache-Control: public`: the last two are kept by CherryPy. Cookies are never kept; but a page that depends on the
session is the same for all once it is.

Options: `delay`; `maxobj_size = 100000` bytes of an answer; `invalid_methods`; `store`, a URL of `webpy.store`;
`cache_class`: `StoreCache`, which all workers share (by default at the URL in the environment's WEBPY_CACHE, or
`webpy-cache.sqlite3` in the state directory), or `MemoryCache`, in each worker's own memory: quicker, but after a POST
the other workers still give the old answer, until `delay` is over. Requests that come at once for what is not kept are
all answered by the page handler.
"""
