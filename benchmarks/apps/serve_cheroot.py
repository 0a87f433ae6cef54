"""Serves a WSGI application with cheroot: serve_cheroot PORT THREADS MODULE:APP [CERTFILE KEYFILE]."""

from __future__ import annotations

import sys

from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.wsgi import Server

from benchmarks.apps.target import load

port, threads, application, *tls = sys.argv[1:]
address = ("127.0.0.1", int(port))
server = Server(address, load(application), numthreads=int(threads), request_queue_size=1024, timeout=75)
if tls:
    server.ssl_adapter = BuiltinSSLAdapter(*tls)
server.start()
