"""The standard library's `http.server`, on every core.

    webpy serve file.py:Handler         # any subclass of http.server.BaseHTTPRequestHandler, as it is
    python -m webpy 8000                # `python -m http.server 8000`

or a script that starts its own server, with its import changed, here and nowhere else:

    from webpy.stdlib import BaseHTTPRequestHandler, HTTPServer     # was: from http.server import ...

    class GetHandler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")

    HTTPServer(("localhost", 8080), GetHandler).serve_forever()

`new(GetHandler)` gives routes of all paths, to be put last beside others: `{"/status": Status, **new(GetHandler)}`.
`new(GetHandler, "/old")` gives those below /old, which `self.path` then begins with. Mix-ins stand before it:

    class Private(webpy.auth.BasicAuthMixIn, webpy.stdlib.StdlibHandler): ...
    routes = webpy.stdlib.new(GetHandler, handler=Private)

What a handler finds: all that `http.server` documents, as each request gets an object of the class and a thread of its
own. `rfile` ends where the body ends, chunked bodies too; `wfile` is sent as it is written once an answer is longer
than 64 KB, or takes longer than some 20 ms. A handler without Content-Length is sent in chunks, or until the connection
closes to HTTP/1.0. `log_message` and `log_error` write to webpy's error log and requests are in its access log, unless
the class has its own. `webpy.HTTPError` may be raised.

What differs:

- Connections are webpy's: kept whatever `protocol_version` and `close_connection` say, but for an answer with
  `Connection: close`; a handler's `timeout` counts for nothing, `--body-timeout`, `--write-timeout` and
  `--request-timeout` do. Bodies are gathered before the handler runs (`--max-body`, 1 MB, above it 413). 101 and
  interim answers (1xx) other than 100 are not sent.
- An answer is as long as its Content-Length: more is dropped, less breaks it off. A handler that raises before its
  answer is whole is a 500, with the traceback in the error log; what it wrote until then is not sent, if it was short.
- `connection` is no socket, but has `sendall`, `recv`, `makefile`, `sendfile`, `getpeername`, `getsockname`.
- The server object is a copy in each worker process. What a program sets before `serve_forever` is there as
  `self.server.x`; what handlers change is seen by this worker only: use `webpy.store` to share. Global variables too.
- Of the server's hooks `server_bind`, `server_activate`, `verify_request` (False is 403), `finish_request` and
  `handle_error` are called, in workers but for the first two. `service_actions`, `get_request`, `process_request`,
  `shutdown_request` and `close_request` are not; so the mix-ins of `socketserver` do no harm and nothing.
- Each request takes two threads of a worker, one of them of `--threads`. A handler whose client is slow is held in its
  write, and others run meanwhile; one whose client has left runs on until it writes.
- `shutdown()` works from a thread, and from a handler, for which it does not wait. `handle_request()` answers one
  request in the program itself, without webpy.
- TLS: `HTTPSServer(address, Handler, certfile=..., keyfile=...)` instead of a wrapped `socket`.
- Settings, such as WEBPY_WORKERS=2, come from webpy.toml and the environment, but for the address.

`SimpleHTTPRequestHandler` is the standard library's; `webpy.file` sends files faster, with ranges and ETags.
`CGIHTTPRequestHandler` is gone from Python 3.15 and is kept here, on `webpy.cgi`: `cgi_directories`, `is_cgi()`.

From Python 2: `BaseHTTPServer`, `SimpleHTTPServer` and `CGIHTTPServer` are all in this module, and

    self.headers.getheader("X")                 self.headers.get("X") or self.headers["X"]
    self.headers.getheaders("X")                self.headers.get_all("X", [])
    self.headers.type                           self.headers.get_content_type()
    self.wfile.write("text")                    self.wfile.write("text".encode())
    urlparse, urllib.unquote                    urllib.parse
    class Server(ThreadingMixIn, HTTPServer)    ThreadingHTTPServer, or HTTPServer

From `cgi.FieldStorage`, which Python 3.13 removed: its form was

    form = cgi.FieldStorage(fp=self.rfile, headers=self.headers, environ={"REQUEST_METHOD": "POST"})

and becomes

    form = webpy.stdlib.form(self)              # forms with files: pip install 'webpy[form]'

    form["name"].value, form.getvalue("name")   form["name"], form.get("name")
    form.getfirst("name"), form.getlist("name") form.getlist("name")[0], form.getlist("name")
    form["file"].filename, .file, .type         form["file"]["filename"], ["file"], ["type"]; also "length", "charset"
    form["file"].value                          form["file"]["file"].read()
    form.keys(), "name" in form                 the same: it is a dict of str, and of mappings for files

What is no form is a 400 then, and too much of it a 413. New code may use `webpy.form.FormHandler`.
"""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler

from .fields import form
from .handler import StdlibHandler, new
from .scripts import CGIHTTPRequestHandler
from .server import HTTPServer, HTTPSServer, ThreadingHTTPServer, ThreadingHTTPSServer

__all__ = [
    "BaseHTTPRequestHandler",
    "CGIHTTPRequestHandler",
    "HTTPSServer",
    "HTTPServer",
    "SimpleHTTPRequestHandler",
    "StdlibHandler",
    "ThreadingHTTPSServer",
    "ThreadingHTTPServer",
    "form",
    "new",
]
