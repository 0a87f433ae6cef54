"""Owns `server`: the entries `server.*` of CherryPy's configuration, by which a script says where it is served."""

from __future__ import annotations

import socket
from typing import Any

__all__ = ["Server", "server"]


class Server:
    """The settings `server.*` of the configuration; `keywords` translates them to webpy's.

    Settings that tune CherryPy's own threads and sockets are accepted and ignored.
    """

    socket_host: str | None = "127.0.0.1"
    socket_port: int | None = 8080
    socket_file: str | None = None
    socket_queue_size = 2048
    socket_timeout = 10.0
    thread_pool = 32
    thread_pool_max = -1
    max_request_header_size = 32 * 1024
    max_request_body_size = 100 * 1024 * 1024
    protocol_version = "HTTP/1.1"
    shutdown_timeout = 30.0
    ssl_certificate: str | None = None
    ssl_certificate_chain: str | None = None
    ssl_private_key: str | None = None
    ssl_module = "builtin"
    user: str | None = None  # these three are set by the plugin DropPrivileges
    group: str | None = None
    umask: int | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "socket_host" and value == "":
            raise ValueError("server.socket_host: got '', wanted an address; '0.0.0.0' is all of IPv4")
        object.__setattr__(self, name, value)

    @property
    def bind_addr(self) -> Any:
        """The address: (host, port), or the path of a unix socket."""
        return self.socket_file or (self.socket_host, self.socket_port)

    @bind_addr.setter
    def bind_addr(self, value: Any) -> None:
        if isinstance(value, str):
            self.socket_file, self.socket_host, self.socket_port = value, None, None
        else:
            self.socket_host, self.socket_port = value
            self.socket_file = None

    def base(self) -> str:
        """Return the URL of the server as its settings give it."""
        if self.socket_file:
            return self.socket_file
        host = self.socket_host or "127.0.0.1"
        if host in ("0.0.0.0", "::"):
            host = socket.gethostname()
        scheme, usual = ("https", 443) if self.ssl_certificate else ("http", 80)
        return f"{scheme}://{host}" if self.socket_port == usual else f"{scheme}://{host}:{self.socket_port}"

    def keywords(self) -> dict[str, Any]:
        """Return these settings, without the address, as keywords of `webpy.HTTPServer`.

        Settings that the program has not set are left out, so that webpy's own defaults hold.
        """
        found: dict[str, Any] = {"max_body": self.max_request_body_size or 1 << 60}
        names = {
            "socket_queue_size": "backlog",
            "thread_pool": "threads",
            "max_request_header_size": "max_headers",
            "shutdown_timeout": "drain_timeout",
        }
        for name, ours in names.items():
            if name in vars(self):
                found[ours] = getattr(self, name)
        if self.user is not None or self.group is not None:
            found["user"], found["group"] = self.user, self.group
        if self.umask is not None:
            found["umask"] = f"{self.umask:o}"
        if self.ssl_certificate:
            found["certfile"] = self.ssl_certificate
            found["keyfile"] = self.ssl_private_key
        return found

    def subscribe(self) -> None:
        """Have `engine.start()` serve the applications; this is the default."""
        self.is_wanted = True

    def unsubscribe(self) -> None:
        """Have `engine.start()` start the bus only, without serving."""
        self.is_wanted = False

    is_wanted = True


server = Server()
