"""Owns `HTTPServer` as the standard library's scripts know it: bound when it is made, served by `serve_forever`.

The socket is this process's; `serve_forever` forks a master that serves it on every core, and waits. Handlers run in
worker processes, each with a copy of the server object as it was then.
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
    """`http.server.HTTPServer`: a handler class on an address, here on every core.

    server_address: (host, port), port 0 for any; RequestHandlerClass: a subclass of `BaseHTTPRequestHandler`, or what
    is called like one. Raises OSError if the address cannot be bound.
    """

    request_queue_size = 2048
    allow_reuse_port = False  # Python 3.14 turned it on: then two servers share an address, and nobody is told

    def __init__(
        self, server_address: tuple[str, int], RequestHandlerClass: Factory, bind_and_activate: bool = True
    ) -> None:
        self._owner_pid = os.getpid()
        self._asked, self._ask = os.pipe()  # a byte in it: to shut down
        self._stopped = threading.Event()
        if loading():  # by `webpy serve`, which wants a handler, and has an address
            self.server_name, self.server_port = server_address[:2]
            bind_and_activate = False
        super().__init__(server_address, RequestHandlerClass, bind_and_activate)

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Serve until `shutdown` is called or the program is told to end; poll_interval: of no use here.

        TERM stops it gracefully and it returns; an interrupt (Ctrl-C) does too and is raised on, as scripts expect.
        Raises SettingsError (a ValueError) for wrong settings in webpy.toml or the environment, and TypeError for a
        socket that has been wrapped for TLS: `HTTPSServer` does that.
        """
        if loading():
            return
        if isinstance(self.socket, ssl.SSLSocket):
            raise TypeError("serve_forever: got a socket of TLS, wanted a plain one; HTTPSServer takes a certfile")
        handler = self.RequestHandlerClass
        self.RequestHandlerClass = hosted(handler)
        try:
            self._serve(routes_of(self.RequestHandlerClass, self._answer, self))
        finally:
            self.RequestHandlerClass = handler
            self._stopped.set()

    def shutdown(self) -> None:
        """Stop `serve_forever`, and wait until it has returned; a handler may ask for that too, and does not wait."""
        os.write(self._ask, b"x")
        if os.getpid() == self._owner_pid:
            self._stopped.wait()

    def server_close(self) -> None:
        """Close the socket."""
        super().server_close()
        for name in ("_asked", "_ask"):
            fd = getattr(self, name)
            setattr(self, name, -1)
            if fd >= 0:
                os.close(fd)

    def _serve(self, routes: Mapping[str, type[HTTPHandler]]) -> None:
        fd = os.dup(self.socket.fileno())  # it closes what it serves
        try:
            running = _Bound(f"fd:{fd}", routes, **self._settings())
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
        """Wait for the end of what is running, and bring it about when asked, or interrupted."""
        # An event, as a join that is interrupted takes its thread for ended (bpo-45274).
        ended = threading.Event()

        def stop() -> None:
            os.read(self._asked, 1000)
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
            os.write(self._ask, b"x")
            while not ended.is_set():
                try:
                    ended.wait()
                except KeyboardInterrupt:
                    running.stop(0)  # asked twice, it stops at once
            stopping.join()
            while select.select([self._asked], [], [], 0)[0]:  # whoever asked has been heard
                os.read(self._asked, 1000)

    def _settings(self) -> dict[str, Any]:
        """What the master is to be told beside the address."""
        return {}

    def _answer(self, connection: Any, client_address: Any, server: HTTPServer) -> None:
        """Answer a request by the hooks of `socketserver.BaseServer` (in a worker)."""
        if not self.verify_request(connection, client_address):
            raise HTTPError(403)
        try:
            self.finish_request(connection, client_address)
        except Exception:
            if type(self).handle_error is not socketserver.BaseServer.handle_error:
                self.handle_error(connection, client_address)
            raise


class ThreadingHTTPServer(socketserver.ThreadingMixIn, HTTPServer):
    """`http.server.ThreadingHTTPServer`: the same, as handlers have threads of their own either way."""

    daemon_threads = True


class HTTPSServer(HTTPServer):
    """`http.server.HTTPSServer`, which Python 3.14 brought: over TLS.

    certfile: the certificate chain (PEM); keyfile: the private key, where it is in a file of its own. There are no
    `password` and no `alpn_protocols`. Raises SettingsError, when it starts to serve, for files that are not right.
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
    """`http.server.ThreadingHTTPSServer`: the same again."""

    daemon_threads = True


class _Bound(webpy_server.HTTPServer):
    """A server whose address is settled: a `bind` in the environment or in webpy.toml is for others."""

    def _resolve(self) -> Resolved:
        given = {name: value for name, value in self.settings.items() if value is not None}
        settled = {"bind": (given.pop("bind"),)}
        return resolve(settled, os.environ, find_config(None, os.environ, Path.cwd()), given)


@contextlib.contextmanager
def _interrupts_raised() -> Iterator[None]:
    """Have SIGINT raise KeyboardInterrupt, which a webpy server would take for its own end otherwise."""

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
