"""What a handler knows about a request: after "BaseHTTPServer" of Python Module of the Week.

    python examples/stdlib/get.py
    webpy serve examples/stdlib/get.py:GetHandler           # or so, on port 8000

    curl 'http://localhost:8080/some/where?foo=bar'
    curl -H 'X-Colour: blue' http://localhost:8080/
"""

from urllib.parse import urlsplit

from webpy.stdlib import BaseHTTPRequestHandler, HTTPServer


class GetHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        parts = urlsplit(self.path)
        lines = [
            "CLIENT",
            f"client_address={self.client_address[0]}",
            f"command={self.command}",
            f"path={self.path}",
            f"real path={parts.path}",
            f"query={parts.query}",
            f"request_version={self.request_version}",
            "",
            "SERVER",
            f"server_version={self.server_version}",
            f"sys_version={self.sys_version}",
            f"protocol_version={self.protocol_version}",
            "",
            "HEADERS",
            *(f"{name}={value}" for name, value in sorted(self.headers.items())),
            "",
        ]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write("\n".join(lines).encode())


if __name__ == "__main__":
    server = HTTPServer(("localhost", 8080), GetHandler)
    print("Starting server, use <Ctrl-C> to stop")
    server.serve_forever()
