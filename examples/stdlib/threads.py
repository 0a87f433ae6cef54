"""Which process and thread answers: after "Threading and Forking" of "BaseHTTPServer" of Python Module of the Week.

    python examples/stdlib/threads.py

    curl http://localhost:8080/ http://localhost:8080/ http://localhost:8080/

The mix-in of the original is still there and has no effect: requests run at the same time anyway, on threads of several
processes.
"""

import os
import threading
from socketserver import ThreadingMixIn

from webpy.stdlib import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"process {os.getpid()}, {threading.current_thread().name}\n".encode())


class ThreadedHTTPServer(ThreadingMixIn, HTTPServer):
    """Handle requests in a separate thread."""


if __name__ == "__main__":
    server = ThreadedHTTPServer(("localhost", 8080), Handler)
    print("Starting server, use <Ctrl-C> to stop")
    server.serve_forever()
