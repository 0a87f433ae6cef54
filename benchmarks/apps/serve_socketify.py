"""Hello with socketify's own interface, as its WSGI host costs three times as much: serve_socketify PORT."""

from __future__ import annotations

import sys
from typing import Any

import socketify  # type: ignore[import-untyped, import-not-found, unused-ignore]

from benchmarks.apps import work


def hello(response: Any, request: Any) -> None:
    response.write_header("Content-Type", "text/plain").end(work.HELLO)


app = socketify.App()
app.get("/", hello)
app.get("/v/*", hello)
app.listen(socketify.AppListenOptions(port=int(sys.argv[1]), host="127.0.0.1"))
app.run()
