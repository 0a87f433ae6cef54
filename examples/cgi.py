"""A directory of CGI scripts, beside a handler.

webpy serve examples/cgi.py

curl http://127.0.0.1:8000/cgi-bin/environment/some/path?x=1     a shell script that shows what it is told
curl -d 'Hello, World!' http://127.0.0.1:8000/cgi-bin/upper.py   a Python script that reads the body
curl -N http://127.0.0.1:8000/cgi-bin/clock?3                    lines as the script writes them, one a second
curl -i http://127.0.0.1:8000/cgi-bin/moved                      a redirect
"""

from __future__ import annotations

from pathlib import Path

import webpy as web
import webpy.cgi


class Home(web.HTTPHandler):
    def do_get(self):
        return 200, "Scripts are in /cgi-bin/: environment, upper.py, clock, moved\n"


routes = {
    "/": Home,
    **webpy.cgi.new(Path(__file__).parent / "cgi-bin", timeout_s=10),
}
