"""A folder, with the standard library's own handler of files: the second example of its documentation.

    python examples/stdlib/folder.py

    curl http://localhost:8080/folder.py
    curl http://localhost:8080/
    curl -I http://localhost:8080/missing
    curl -i -X PUT http://localhost:8080/folder.py

`python -m webpy 8080 -d examples/stdlib` does the same, faster.
"""

from functools import partial
from pathlib import Path

from webpy.stdlib import HTTPServer, SimpleHTTPRequestHandler

Handler = partial(SimpleHTTPRequestHandler, directory=Path(__file__).parent)

if __name__ == "__main__":
    with HTTPServer(("localhost", 8080), Handler) as httpd:
        print("serving at port", httpd.server_port)
        httpd.serve_forever()
