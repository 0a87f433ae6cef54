"""WSGI applications (PEP 3333), alone or beside other handlers.

    webpy serve package:app                         # Flask, Django, Bottle, Falcon, ... on every core

    routes = {
        "/health": Health,                          # a webpy handler
        **webpy.wsgi.new(app, "/shop"),             # an application below /shop
    }

`new(app, remote='', *, handler=WSGIHandler)` returns routes: every path below `remote` goes to `app`, with `remote` as
SCRIPT_NAME. To put mix-ins in front of the application, pass a subclass of `WSGIHandler`:

    class Private(BasicAuthMixIn, CompressionMixIn, webpy.wsgi.WSGIHandler): ...
    routes = webpy.wsgi.new(app, "/shop", handler=Private)

The fields that mix-ins set are sent beside the application's: cookies, challenges and members of Vary are sent from
both; of any other field, the application's value replaces theirs. Behind a login, the application finds REMOTE_USER and
AUTH_TYPE.

What an application gets beyond PEP 3333: `wsgi.input_terminated` (the input ends where the body ends), a CONTENT_LENGTH
for chunked bodies too (they have been received by then), REQUEST_URI and RAW_URI (the request target as sent), and
`wsgi.file_wrapper`, which sends a file from its descriptor. `wsgi.multithread` and `wsgi.multiprocess` are true. Run an
application that is not thread-safe with `--threads 1`: then `wsgi.multithread` is false, and each worker process makes
one call, `next` or `close` at a time (not always on the same thread), still on every core.

PATH_INFO is the path in normal form (docs/normal-form.md), decoded; SERVER_PORT is the port that the client connected
to, and SERVER_NAME the host that it asked for.

The call of an application, each piece of its body and `close` run in one `contextvars.Context`.

Caveats:

- Beside other routes, a path with an escaped slash or NUL (`%2F`, `%00`) is answered with 404, because decoding would
  make another path of it; so is a path that another route matches in another spelling. Without other routes, the
  application gets such paths decoded.
- The body is received before the application is called, up to `--max-body`; a long one is kept in a temporary file.
- A body with a Content-Encoding is passed on as it was sent, and so is the field (HTTP_CONTENT_ENCODING), unless
  `DecompressionMixIn` of `webpy.decompression` stands before the `handler`.
- What an application passes to `write()` is sent when it returns. To stream, return an iterable.
- Hop-by-hop fields (RFC 9110 section 7.6.1) that an application sets are left out, except for `Connection: close`.
- A Content-Length set by the application is enforced: a longer or shorter body aborts the connection.
- Fields of the request with an underscore in their names are left out: in the environment they would look like those
  with a hyphen.
"""

from __future__ import annotations

from .environ import FileWrapper
from .handler import WSGIHandler, new

__all__ = ["FileWrapper", "WSGIHandler", "new"]
