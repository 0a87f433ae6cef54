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

`new(GetHandler)` returns routes for all paths; put them last beside others: `{"/status": Status, **new(GetHandler)}`.
`new(GetHandler, "/old")` returns routes for paths below /old, which `self.path` then begins with. To put mix-ins in
front, pass a subclass of `StdlibHandler`:

    class Private(webpy.auth.BasicAuthMixIn, webpy.stdlib.StdlibHandler): ...
    routes = webpy.stdlib.new(GetHandler, handler=Private)

A handler finds all that `http.server` documents: each request gets an object of the class and a thread of its own.
`rfile` ends where the body ends, chunked bodies too; `wfile` is sent while it is written if an answer is longer than
64 KB, or takes longer than some 20 ms. An answer without Content-Length is sent in chunks; to HTTP/1.0, until the
connection closes. `log_message` and `log_error` write to webpy's error log, and requests are in its access log, unless
the class overrides these methods. `webpy.HTTPError` may be raised.

What differs:

- webpy manages the connections: `protocol_version` and `close_connection` have no effect, only an answer with
  `Connection: close` closes one. A handler's `timeout` has no effect either; use `--body-timeout`, `--write-timeout`
  and `--request-timeout`. Bodies are received before the handler runs (413 above `--max-body`, 1 MB). 101 and interim
  answers (1xx) other than 100 are not sent.
- An answer is as long as its Content-Length: further bytes are dropped, fewer abort the connection. If a handler raises
  before its answer is complete, the answer is 500, with the traceback in the error log; what it wrote before is not
  sent, if it was short.
- `connection` is not a socket, but has `sendall`, `recv`, `makefile`, `sendfile`, `getpeername`, `getsockname`.
- Each worker process has a copy of the server object and of global variables. `self.server.x` is what the program set
  before `serve_forever`; what handlers change is seen in their worker only: use `webpy.store` to share.
- Of the server's hooks, `server_bind` and `server_activate` are called in the program, `verify_request` (False is 403),
  `finish_request` and `handle_error` in workers. `service_actions`, `get_request`, `process_request`,
  `shutdown_request` and `close_request` are not called, so the mix-ins of `socketserver` have no effect.
- Each request takes two threads of a worker, one of them from `--threads`. A handler with a slow client is blocked in
  its write while others run; a handler whose client has gone runs on until it writes.
- `shutdown()` works in a thread, and in a handler, where it does not wait. `handle_request()` answers one request in
  the program itself, without webpy.
- TLS: `HTTPSServer(address, Handler, certfile=..., keyfile=...)` instead of a wrapped `socket`.
- Settings other than the address come from webpy.toml and the environment, such as WEBPY_WORKERS=2.

`SimpleHTTPRequestHandler` is the standard library's; `webpy.file` sends files faster, with ranges and ETags.
`CGIHTTPRequestHandler`, which Python 3.15 removed, is kept here and uses `webpy.cgi`: `cgi_directories`, `is_cgi()`.

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

A malformed form is answered with 400, one above the limits with 413. New code may use `webpy.form.FormHandler`.
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
