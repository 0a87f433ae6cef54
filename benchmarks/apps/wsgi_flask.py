"""Hello as an application of Flask."""

from __future__ import annotations

import flask  # type: ignore[import-untyped, import-not-found, unused-ignore]

from benchmarks.apps import work

__all__ = ["app"]

app = flask.Flask(__name__)


@app.get("/")
def hello() -> flask.Response:
    return flask.Response(work.HELLO, mimetype="text/plain")
