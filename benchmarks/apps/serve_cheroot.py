"""Serves the WSGI application with cheroot: serve_cheroot PORT THREADS [CERTFILE KEYFILE]."""

from __future__ import annotations

import sys

from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.wsgi import Server

from benchmarks.apps.wsgi_app import app

server = Server(("127.0.0.1", int(sys.argv[1])), app, numthreads=int(sys.argv[2]), request_queue_size=1024, timeout=75)
if len(sys.argv) > 3:
    server.ssl_adapter = BuiltinSSLAdapter(sys.argv[3], sys.argv[4])
server.start()
