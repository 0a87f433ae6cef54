"""Tells what a handler, an application and a script see of a client's certificate, as JSON; scripts are in SCRIPTS."""

from __future__ import annotations

import json
import os
import threading
from typing import Any

import webpy as web
import webpy.cgi
import webpy.wsgi


class Handler(web.HTTPHandler):
    def do_get(self) -> tuple[int, str]:
        client = self.request.tls_client
        told = None
        if client is not None:
            same = client is self.request.tls_client
            told = [client.subject, client.common_name, client.sans, client.serial, client.pem, same]
        return 200, json.dumps([told, threading.current_thread().name, os.getpid()])


class Waiting(Handler):
    def do_get(self) -> tuple[int, str]:
        threading.Event().wait(0.002)
        return super().do_get()


def application(environ: dict[str, Any], start: Any) -> list[bytes]:
    start("200 OK", [])
    found = {name: value for name, value in environ.items() if name.startswith("SSL_")}
    return [json.dumps(found).encode()]


routes = {
    "/handler": Handler,
    "/waiting": Waiting,
    **web.wsgi.new(application, "/wsgi"),
    **web.cgi.new(os.environ["SCRIPTS"], "/cgi-bin"),
}
