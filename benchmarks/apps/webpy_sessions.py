"""Sessions for webpy, in the store of WEBPY_SESSION: one handler reads the client's session, one changes it."""

from __future__ import annotations

from typing import Any

import webpy
import webpy.session
from benchmarks.apps.webpy_app import Hello

__all__ = ["routes"]


class Read(webpy.session.SessionMixIn):
    session_read_only = True

    def do_get(self) -> Any:
        # a session that is not found would be cheap
        return (200, self.session["name"]) if self.session else (500, "no session")


class Change(webpy.session.SessionMixIn):
    def do_get(self) -> Any:
        self.session["visits"] += 1
        return 200, "changed"


routes = {"/": Hello, r"/read\?.*": Read, r"/change\?.*": Change}
