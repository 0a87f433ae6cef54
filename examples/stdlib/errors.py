"""Errors by `send_error`: after "BaseHTTPServer" of Python Module of the Week.

    python examples/stdlib/errors.py

    curl -i http://localhost:8080/
    curl -i http://localhost:8080/teapot
    curl -i -X DELETE http://localhost:8080/
"""

from webpy.stdlib import BaseHTTPRequestHandler, HTTPServer


class ErrorHandler(BaseHTTPRequestHandler):
    error_message_format = "%(code)d: %(message)s\n%(explain)s\n"
    error_content_type = "text/plain; charset=utf-8"

    def do_GET(self):
        if self.path == "/teapot":
            self.send_error(418, "Short and stout", "Tea is made here.")
        else:
            self.send_error(404)


if __name__ == "__main__":
    HTTPServer(("localhost", 8080), ErrorHandler).serve_forever()
