"""Fields of an answer: after "Setting Headers" of "BaseHTTPServer" of Python Module of the Week.

    python examples/stdlib/headers.py

    curl -i http://localhost:8080/
    curl -I http://localhost:8080/
"""

import os

from webpy.stdlib import BaseHTTPRequestHandler, HTTPServer


class GetHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Last-Modified", self.date_time_string(os.path.getmtime(__file__)))
        self.end_headers()
        self.wfile.write(b"Response body\n")

    do_HEAD = do_GET


if __name__ == "__main__":
    HTTPServer(("localhost", 8080), GetHandler).serve_forever()
