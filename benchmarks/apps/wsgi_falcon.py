"""Hello as an application of Falcon."""

from __future__ import annotations

import falcon  # type: ignore[import-untyped, import-not-found, unused-ignore]

from benchmarks.apps import work

__all__ = ["app"]


class Hello:
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        response.content_type = falcon.MEDIA_TEXT
        response.text = work.HELLO


app = falcon.App()
app.add_route("/", Hello())
