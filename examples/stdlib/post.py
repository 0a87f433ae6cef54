"""A form, with a file: after "BaseHTTPServer" of Python Module of the Week, where `cgi.FieldStorage` read it.

    python examples/stdlib/post.py          # needs pip install 'webpy[form]'

    curl http://localhost:8080/ -F name=dhellmann -F foo=bar -F datafile=@examples/stdlib/post.py
    curl http://localhost:8080/ -d name=me -d colour=red -d colour=blue
    curl -i http://localhost:8080/ -H 'Content-Type: text/plain' -d 'no form'
"""

from webpy.stdlib import BaseHTTPRequestHandler, HTTPServer, form


class PostHandler(BaseHTTPRequestHandler):
    def do_POST(self):
        fields = form(self)
        lines = [f"Client: {self.client_address[0]}", f"Path: {self.path}", "Form data:"]
        for name in fields:
            for value in fields.getlist(name):
                if isinstance(value, str):
                    lines.append(f"\t{name}={value}")
                else:
                    size = len(value["file"].read())
                    lines.append(f"\tUploaded {name} as {value['filename']!r} ({size} bytes)")
        fields.close()
        body = "\n".join([*lines, ""]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    HTTPServer(("localhost", 8080), PostHandler).serve_forever()
