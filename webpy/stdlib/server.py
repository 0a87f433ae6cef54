"""Owns `HTTPServer` with the standard library's interface: bound when it is made, served by `serve_forever`.

The script's process owns the socket. `serve_forever` forks a master, which serves the socket on every core, and waits.
Handlers run in worker processes, each with a copy of the server object as it was when `serve_forever` was called.
"""

from __future__ import annotations

import contextlib
import http.server
import os
import select
import signal
import socketserver
import ssl
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from .. import server as webpy_server
from ..framework.errors import HTTPError
from ..framework.handler import HTTPHandler
from ..settings import Resolved, find_config, resolve
from ..target.target import loading
from .handler import Factory, hosted, routes_of

__all__ = ["HTTPSServer", "HTTPServer", "ThreadingHTTPSServer", "ThreadingHTTPServer"]


class HTTPServer(http.server.HTTPServer):
    """`http.server.HTTPServer` on every core: serves a handler class at an address.

    server_address: (host, port), port 0 for any free one; RequestHandlerClass: a subclass of `BaseHTTPRequestHandler`,
    or a callable with the same arguments. Raises OSError if the address cannot be bound.
    """

    request_queue_size = 2048
    allow_reuse_port = False  # Python 3.14 turned it on, by which two servers can share an address unnoticed

    def __init__(
        self, server_address: tuple[str, int], RequestHandlerClass: Factory, bind_and_activate: bool = True
    ) -> None:
        self._owner_pid = os.getpid()
        self._stop_reader, self._stop_writer = os.pipe()  # a byte written to `_stop_writer` shuts the server down
        self._stopped = threading.Event()
        if loading():  # `webpy serve` loads the script for its handler, and binds the address itself
            self.server_name, self.server_port = server_address[:2]
            bind_and_activate = False
        super().__init__(server_address, RequestHandlerClass, bind_and_activate)

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Serve until `shutdown` is called or the program is told to end. poll_interval is ignored.

        TERM stops the server gracefully, and this returns. An interrupt (Ctrl-C) stops it too and is raised on as
        KeyboardInterrupt. Raises SettingsError (a ValueError) for wrong settings in webpy.toml or the environment,
        TypeError for a socket that has been wrapped for TLS: use `HTTPSServer`.
        """
        if loading():
            return
        if isinstance(self.socket, ssl.SSLSocket):
            raise TypeError("serve_forever: got a TLS socket, wanted a plain one; HTTPSServer takes a certfile")
        handler = self.RequestHandlerClass
        self.RequestHandlerClass = hosted(handler)
        try:
            self._serve(routes_of(self.RequestHandlerClass, self._answer, self))
        finally:
            self.RequestHandlerClass = handler
            self._stopped.set()

    def shutdown(self) -> None:
        """Stop `serve_forever` and wait until it has returned. Handlers may call this; there it does not wait."""
        os.write(self._stop_writer, b"x")
        if os.getpid() == self._owner_pid:
            self._stopped.wait()

    def server_close(self) -> None:
        """Close the socket."""
        super().server_close()
        for name in ("_stop_reader", "_stop_writer"):
            fd = getattr(self, name)
            setattr(self, name, -1)
            if fd >= 0:
                os.close(fd)

    def _serve(self, routes: Mapping[str, type[HTTPHandler]]) -> None:
        fd = os.dup(self.socket.fileno())  # webpy's server closes the descriptor that it serves
        try:
            running = _FixedAddressServer(f"fd:{fd}", routes, **self._settings())
        except BaseException:
            os.close(fd)
            raise
        self._stopped.clear()
        with _interrupts_raised():
            try:
                running.start()
                self._wait(running)
            finally:
                running.close()

    def _wait(self, running: webpy_server.HTTPServer) -> None:
        """Wait until `running` has ended, and stop it when `shutdown` is called or an interrupt comes."""
        # An event: an interrupted join would take its thread for ended (bpo-45274).
        ended = threading.Event()

        def stop() -> None:
            os.read(self._stop_reader, 1000)
            running.stop()

        def wait() -> None:
            running.join()
            ended.set()

        stopping = threading.Thread(target=stop, name="webpy-stop", daemon=True)
        stopping.start()
        threading.Thread(target=wait, name="webpy-wait", daemon=True).start()
        try:
            ended.wait()
        finally:
            os.write(self._stop_writer, b"x")
            while not ended.is_set():
                try:
                    ended.wait()
                except KeyboardInterrupt:
                    running.stop(0)  # a second request stops it at once
            stopping.join()
            while select.select([self._stop_reader], [], [], 0)[0]:  # drop further requests to stop
                os.read(self._stop_reader, 1000)

    def _settings(self) -> dict[str, Any]:
        """Return the settings of webpy's server, beside the address."""
        return {}

    def _answer(self, connection: Any, client_address: Any, server: HTTPServer) -> None:
        """Answer a request with the hooks of `socketserver.BaseServer`. Called in a worker. Raises HTTPError 403."""
        if not self.verify_request(connection, client_address):
            raise HTTPError(403)
        try:
            self.finish_request(connection, client_address)
        except Exception:
            if type(self).handle_error is not socketserver.BaseServer.handle_error:
                self.handle_error(connection, client_address)
            raise


class ThreadingHTTPServer(socketserver.ThreadingMixIn, HTTPServer):
    """`http.server.ThreadingHTTPServer`: the same as `HTTPServer`, whose handlers run in threads too."""

    daemon_threads = True


class HTTPSServer(HTTPServer):
    """`http.server.HTTPSServer`, new in Python 3.14: the same over TLS.

    certfile: the certificate chain (PEM); keyfile: the private key, if it is in another file. `password` and
    `alpn_protocols` are not supported. `serve_forever` raises SettingsError for invalid files.
    """

    def __init__(
        self,
        server_address: tuple[str, int],
        RequestHandlerClass: Factory,
        bind_and_activate: bool = True,
        *,
        certfile: str | os.PathLike[str],
        keyfile: str | os.PathLike[str] | None = None,
    ) -> None:
        self.certfile = os.fspath(certfile)
        self.keyfile = None if keyfile is None else os.fspath(keyfile)
        super().__init__(server_address, RequestHandlerClass, bind_and_activate)

    def _settings(self) -> dict[str, Any]:
        return {"certfile": self.certfile, "keyfile": self.keyfile}


class ThreadingHTTPSServer(socketserver.ThreadingMixIn, HTTPSServer):
    """`http.server.ThreadingHTTPSServer`: the same as `HTTPSServer`."""

    daemon_threads = True


class _FixedAddressServer(webpy_server.HTTPServer):
    """A server with a fixed address: a `bind` in the environment or in webpy.toml does not override it."""

    def _resolve(self) -> Resolved:
        given = {name: value for name, value in self.settings.items() if value is not None}
        settled = {"bind": (given.pop("bind"),)}
        return resolve(settled, os.environ, find_config(None, os.environ, Path.cwd()), given)


@contextlib.contextmanager
def _interrupts_raised() -> Iterator[None]:
    """Make SIGINT raise KeyboardInterrupt; webpy's server would handle it otherwise."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.default_int_handler(number, frame)

    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
