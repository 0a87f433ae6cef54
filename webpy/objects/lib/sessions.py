"""CherryPy's names about sessions: see `webpy.objects.tools.sessions`, `.session` and `.kinds`."""

from __future__ import annotations

from ..tools.kinds import FileSession, MemcachedSession, RamSession, StoreSession
from ..tools.session import Session
from ..tools.sessions import close, expire, init, save, set_response_cookie

__all__ = [
    "FileSession",
    "MemcachedSession",
    "RamSession",
    "Session",
    "StoreSession",
    "close",
    "expire",
    "init",
    "save",
    "set_response_cookie",
]
