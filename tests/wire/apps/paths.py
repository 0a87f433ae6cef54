"""Every host, each with guards before it: an answer of a host is its name and the path that it decoded.

/HOST/private, /HOST/admin and /HOST/@staff are guarded for each HOST, and /private, /admin and /@staff for what is
served at the top: handlers of the standard library.
"""

from __future__ import annotations

import os
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import webpy as web
import webpy.cgi
import webpy.file
import webpy.objects
import webpy.objects.handler
import webpy.stdlib
import webpy.wsgi
from tests.wire.guarded import GUARDED, NAMES

SCRIPT = """#!/bin/sh
echo "Content-Type: text/plain"
echo
printf '%s' "cgi ${SCRIPT_NAME#/cgi}$PATH_INFO"
"""


def fill(name: str, script: bool = False) -> Path:
    """A folder of files, or of scripts, that say which they are."""
    top = Path(name).absolute()
    for below in NAMES:
        path = top / below
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SCRIPT if script else f"{name} /{below}")
        path.chmod(0o755)
    return top


class Guard(web.HTTPHandler):
    def do_get(self):
        return 403, "guarded"


class Native(web.HTTPHandler):
    def do_get(self):
        return 200, f"native /{self.groups[0]}"


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"wsgi " + environ["PATH_INFO"].encode("latin-1")]


class Root:
    @webpy.objects.expose
    def default(self, *segments, **parameters):
        path = "/".join(["", *segments])
        return f"objects {path}" + ("/" if webpy.objects.request.path_info.endswith("/") else "")


class Top(SimpleHTTPRequestHandler):
    """Files of the folder `stdlib`."""

    def __init__(self, *args):
        super().__init__(*args, directory=os.path.abspath("stdlib"))

    def list_directory(self, path):
        self.send_error(404)


for host in ("files", "stdlib"):
    fill(host)
routes = {
    **dict.fromkeys(GUARDED, Guard),
    **webpy.file.new("files", "/files"),
    **webpy.cgi.new(fill("cgi", script=True), "/cgi", user=None),
    **webpy.wsgi.new(application, "/wsgi"),
    **webpy.objects.handler.new(Root(), "/objects"),
    r"/native/([^?]*)(?:\?.*)?": Native,
    **webpy.stdlib.new(Top),
}
