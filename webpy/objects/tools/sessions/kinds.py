"""Owns the kinds of `Session`, by where they are kept, and the names of them in CherryPy's configurations."""

from __future__ import annotations

import os
from typing import Any

from ....store import Store
from .session import Session

__all__ = ["FileSession", "MemcachedSession", "RamSession", "StoreSession", "kind_of"]


class RamSession(Session):
    """Kept where `webpy.session` keeps its sessions by default: at the URL in WEBPY_SESSION, or in
    `webpy-sessions.sqlite3` in the state directory. CherryPy keeps them in memory, which workers do not share."""

    keeps_always = True


class FileSession(Session):
    """Kept as files in `webpy-sessions` below the directory `storage_path`; CherryPy's own files are not touched."""

    storage_path = ""

    def where(self) -> str:
        if not self.storage_path:
            raise ValueError("tools.sessions.storage_path: wanted the directory that sessions are kept in")
        return f"file:///{os.path.join(os.path.abspath(self.storage_path), 'webpy-sessions')}"


class MemcachedSession(Session):
    """Kept in a memcached server. servers: a list of one, as "host:port" or (host, port)."""

    servers: Any = ("localhost:11211",)

    def where(self) -> str:
        servers = [self.servers] if isinstance(self.servers, str) else list(self.servers)
        if len(servers) != 1:
            raise ValueError(f"tools.sessions.servers: got {len(servers)}, wanted one memcached server")
        server = servers[0]
        return f"memcached://{server if isinstance(server, str) else '{}:{}'.format(*server)}"


class StoreSession(Session):
    """Kept in a store of `webpy.store`. store: the store, or its URL."""

    store: str | Store | None = None

    def where(self) -> str | Store | None:
        return self.store


_KINDS: dict[str, type[Session]] = {"ram": RamSession, "file": FileSession, "memcached": MemcachedSession}


def kind_of(storage_type: str | None, options: dict[str, Any]) -> type[Session]:
    """Return the class for a `storage_type`. A URL is moved to the option `store`. Raises ValueError for others."""
    if options.get("store") is not None:
        return StoreSession
    if storage_type and "://" in storage_type:
        options["store"] = storage_type
        return StoreSession
    kind = _KINDS.get((storage_type or "ram").lower())
    if kind is None:
        raise ValueError(f"tools.sessions.storage_type: got {storage_type!r}, wanted {', '.join(_KINDS)} or a URL")
    return kind
