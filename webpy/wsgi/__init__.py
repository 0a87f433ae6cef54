"""WSGI applications (PEP 3333), alone or beside other handlers.

    webpy serve package:app                         # Flask, Django, Bottle, Falcon, ... on every core

    routes = {
        "/health": Health,                          # a webpy handler
        **webpy.wsgi.new(app, "/shop"),             # an application below /shop
    }

`new(app, remote='', *, handler=WSGIHandler)` gives routes: every path below `remote` goes to `app`, with `remote` as
SCRIPT_NAME. Mix-ins stand before the application:

    class Private(BasicAuthMixIn, CompressionMixIn, webpy.wsgi.WSGIHandler): ...
    routes = webpy.wsgi.new(app, "/shop", handler=Private)

What they set is sent beside the application's fields: cookies, challenges and members of Vary add up, any other field
of the application's takes the place of theirs. Behind a login it finds REMOTE_USER and AUTH_TYPE.

What an application gets beyond PEP 3333: `wsgi.input_terminated` (the input ends where the body ends), a CONTENT_LENGTH
also for a chunked body (which has been received by then), REQUEST_URI and RAW_URI (the request target as sent), and
`wsgi.file_wrapper`, which sends a file from its descriptor. `wsgi.multithread` and `wsgi.multiprocess` are true: an
application that is not safe for threads wants `--threads 1`: then `wsgi.multithread` is false, a process runs one call,
`next` or `close` at a time (not always on the same thread), and it is still run on every core.

PATH_INFO is the path in normal form (see the README), decoded; SERVER_PORT is the port that the client came to, and
SERVER_NAME what it asked for.

The call of an application, each piece of its body and `close` run in one `contextvars.Context`.

Caveats:

- Beside other routes a path with an escaped slash or NUL (`%2F`, `%00`) is answered with 404, as it would be another
  path once decoded; so is one that another route has under another spelling. Alone an application gets them decoded.
- The body is received before the application is called, up to `--max-body`; a long one lies in a temporary file.
- What an application gives to `write()` is sent when it returns: write for the sake of streaming with an iterable.
- Hop-by-hop fields (RFC 9110 section 7.6.1) that an application sets are left out, but for `Connection: close`.
- A Content-Length of the application's own is kept to: a body that is longer or shorter breaks the connection off.
- Fields of the request whose names hold an underscore are left out, as nobody could tell them from those with a hyphen.
"""

from __future__ import annotations

from .environ import FileWrapper
from .handler import WSGIHandler, new

__all__ = ["FileWrapper", "WSGIHandler", "new"]
