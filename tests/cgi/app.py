"""One directory of scripts under several settings, and a handler beside it."""

from __future__ import annotations

import os

import webpy as web
import webpy.cgi
from webpy.auth import BasicAuthMixIn

SCRIPTS = os.environ["CGI_BIN"]


class Hello(web.HTTPHandler):
    def do_get(self):
        return 200, str(os.getpid())


class Private(BasicAuthMixIn, webpy.cgi.CGIHandler):
    def login(self, user, password):
        return password == "secret" and user

    def environ(self, found, length):
        return {**super().environ(found, length), "ADDED": "by a subclass"}


class Streaming(webpy.cgi.CGIHandler):
    stream = True


routes = {
    "/hello": Hello,
    **webpy.cgi.new(SCRIPTS, "/cgi-bin", environment={"COLOUR": "blue", "REQUEST_METHOD": "mine"}),
    **webpy.cgi.new(SCRIPTS, "/brief", timeout_s=0.3),
    **webpy.cgi.new(SCRIPTS, "/checked", check=True),
    **webpy.cgi.new(SCRIPTS, "/indexed", indexed=True, document_root="/srv"),
    **webpy.cgi.new(SCRIPTS, "/few", max_scripts=1),
    **webpy.cgi.new(SCRIPTS, "/private", handler=Private),
    **webpy.cgi.new(SCRIPTS, "/streaming", handler=Streaming),
    **webpy.cgi.new(SCRIPTS, "/root", user=None),
}
