"""Serves a WSGI application with fastwsgi: serve_fastwsgi PORT MODULE:APP."""

from __future__ import annotations

import sys

import fastwsgi  # type: ignore[import-untyped, import-not-found, unused-ignore]

from benchmarks.apps.target import load

fastwsgi.server.backlog = 4096
fastwsgi.run(wsgi_app=load(sys.argv[2]), host="127.0.0.1", port=int(sys.argv[1]))
