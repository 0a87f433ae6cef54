"""CherryPy's names about sessions: see `webpy.objects.tools.sessions`."""

from __future__ import annotations

from ..tools.sessions.kinds import FileSession, MemcachedSession, RamSession, StoreSession
from ..tools.sessions.session import Session
from ..tools.sessions.tool import close, expire, init, save, set_response_cookie

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
