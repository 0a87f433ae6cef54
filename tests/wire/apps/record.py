"""Answers every request with what it was, and remembers it; GET /aside/calls tells of all, and forgets them."""

from __future__ import annotations

import json

import webpy as web

calls: list[dict[str, object]] = []


class Record(web.HTTPHandler):
    def respond(self):
        request = self.request
        call = {
            "method": request.method,
            "resource": request.resource,
            "host": request.host,
            "body": request.body.decode("latin-1"),
            "fields": list(request.headers),
            "trailers": [list(field) for field in request.trailers],
            "version": request.http_version,
        }
        calls.append(call)
        return 200, json.dumps(call)


class Calls(web.HTTPHandler):
    def do_get(self):
        seen = json.dumps(calls)
        calls.clear()
        return 200, seen


class Aside(web.HTTPHandler):
    def do_get(self):
        return 200, None


routes = {"/aside/calls": Calls, "/aside.*": Aside, ".*": Record}
