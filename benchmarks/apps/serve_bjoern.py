"""Serves a WSGI application with bjoern: serve_bjoern PORT MODULE:APP."""

from __future__ import annotations

import sys

import bjoern  # type: ignore[import-untyped, import-not-found, unused-ignore]

from benchmarks.apps.target import load

bjoern.run(load(sys.argv[2]), "127.0.0.1", int(sys.argv[1]))
