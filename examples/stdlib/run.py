"""The function `run` of the standard library's documentation, for any server class and any handler class.

    python examples/stdlib/run.py

    curl -i http://localhost:8080/

The handler answers nothing by itself: 501 to every method.
"""

from webpy.stdlib import BaseHTTPRequestHandler, HTTPServer


def run(server_class=HTTPServer, handler_class=BaseHTTPRequestHandler):
    httpd = server_class(("localhost", 8080), handler_class)
    httpd.serve_forever()


if __name__ == "__main__":
    run()
