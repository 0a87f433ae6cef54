"""Serves the WSGI application with bjoern: serve_bjoern PORT."""

from __future__ import annotations

import sys

import bjoern  # type: ignore[import-untyped, import-not-found, unused-ignore]

from benchmarks.apps.wsgi_app import app

bjoern.run(app, "127.0.0.1", int(sys.argv[1]))
