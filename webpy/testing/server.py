"""`serve`: a real server for a `with` block, and `Server`, by which a test asks and commands it.

Owns what a test sees of a server; `serverprocess` has the process, `requester` the methods of a client.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from ..settings import SettingsError, split_scheme
from ..supervisor.control.client import ControlClient
from .errors import ReloadError, StartError
from .order import Order
from .requester import Requester
from .serverprocess import ServerProcess, make_folder
from .wire import converse

if TYPE_CHECKING:
    from .answer import Answer
    from .outgoing import Fields, Outgoing, RequestOptions

__all__ = ["Server", "serve"]

_DEFAULTS = {"bind": "127.0.0.1:0", "workers": 1, "drain_timeout": 5.0}
_SPARE_S = 10.0  # beyond the server's own time limits, on a machine that is busy
_LOCAL = ("client_address", "raise_errors")  # options of a client in the process


# parameters: each is an option that tests give by name
def serve(
    target: Any,
    *,
    headers: Fields = (),
    follow_redirects: bool = False,
    timeout: float | None = 30.0,
    ssl_context: ssl.SSLContext | None = None,
    error_routes: Mapping[Any, Any] | None = None,
    kind: str | None = None,
    config: str | os.PathLike[str] | None = None,
    **settings: Any,
) -> Server:
    """Start a real server of TARGET, with a master and workers in processes of their own, and return it once all its
    workers serve. It ends with the `with` block, or by `stop`.

        with webpy.testing.serve("app:routes", workers=2) as server:
            assert server.get("/").status == 200

    target: as for `Client`. A name or a path is loaded by the server's own processes, as `webpy serve` does. Any other
    object is nowhere but in this process: the server is forked from it then, and has all that the test has set up.
    settings: options of `webpy serve` by their names with "_", in place of one worker on a free port of 127.0.0.1. The
    environment, and a settings file that is not named by `config`, do not count. Databases that `webpy` itself would
    keep in the user's state directory are in a temporary folder, unless STATE_DIRECTORY or XDG_STATE_HOME is set.

    headers, follow_redirects, timeout: as for `Client`. ssl_context: for requests; by default one that trusts the
    server's own certificate, whatever name it is for.

    Raises StartError, with what the server said, if it does not start.
    """
    folder = make_folder()
    process: ServerProcess | None = None
    try:
        given = {**_DEFAULTS, "control": str(folder / "control"), **settings}
        order = Order(target, given, kind, None if config is None else os.fspath(config), error_routes)
        known = order.resolve().settings
        plain = split_scheme(known.bind[0])[0] == "http"  # requests are sent to the first address
        context = None if plain else ssl_context or _context(known.certfile)
        process = ServerProcess(order, folder, known.drain_timeout + _SPARE_S)
        process.wait_until_ready(known.boot_timeout + _SPARE_S)
        return Server(process, context, headers=headers, follow_redirects=follow_redirects, timeout=timeout)
    except BaseException as error:
        if process is not None:
            process.end(0.0)
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, SettingsError) or (isinstance(error, OSError) and process is None):
            raise StartError(str(error)) from None
        raise


class Server(Requester):
    """A running server, and a client of it: `get`, `post` and the others send real requests.

    Whatever host a URL names, the connection is one to this server: so a test may ask for "http://api.example.org/".
    Redirects to another scheme, host or port are not followed. May be used by several threads.
    """

    def __init__(
        self,
        process: ServerProcess,
        context: ssl.SSLContext | None,
        *,
        headers: Fields = (),
        follow_redirects: bool = False,
        timeout: float | None = None,
    ) -> None:
        """context: for TLS; None if the server speaks it not. Called by `serve`."""
        self._process = process
        self._context = context
        where = self.status()["listeners"][0]
        host, _, port = where.rpartition(":")
        self._unix = where.removeprefix("unix:") if where.startswith("unix:") else None
        #: where the server listens first: (host, port), or "unix:PATH"
        self.address: tuple[str, int] | str = where if self._unix is not None else (host.strip("[]"), int(port))
        netloc = "localhost" if self._unix is not None else where
        #: the address as a URL, without a slash at its end
        self.url = f"{'http' if context is None else 'https'}://{netloc}"
        super().__init__(self.url, headers=headers, follow_redirects=follow_redirects, timeout=timeout)

    # -- what it does and says ----------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """The process id of the master."""
        return self._process.pid

    @property
    def log(self) -> str:
        """The error log so far, with what the application has written to standard error."""
        return self._process.errors.text

    @property
    def access_log(self) -> str:
        """The access log so far, with what the application has printed. A line may come shortly after its answer."""
        return self._process.accesses.text

    def wait_for(self, pattern: str, timeout: float = 10.0) -> re.Match[str]:
        """Wait until a regex is found in one of the logs, and return the match. Raises TimeoutError, with both logs."""
        wanted, give_up = re.compile(pattern, re.MULTILINE), time.monotonic() + timeout
        with self._process.news:
            while True:
                found = wanted.search(self.log) or wanted.search(self.access_log)
                if found is not None:
                    return found
                left = give_up - time.monotonic()
                if left <= 0 or self._process.status is not None:
                    logs = f"error log:\n{self.log}\naccess log:\n{self.access_log}"
                    raise TimeoutError(f"{pattern!r} is not in the logs after {timeout:g} s; {logs}")
                self._process.news.wait(left)

    def status(self) -> dict[str, Any]:
        """Return what `webpy ctl status --json` shows."""
        found: dict[str, Any] = self._ask("status")["status"]
        return found

    # -- commands -----------------------------------------------------------------------------------------------------

    def reload(self, timeout: float = 60.0) -> None:
        """Reload code, settings and certificates, and wait until the new workers serve. Raises ReloadError with the
        server's words if it goes on with the old ones."""
        reply = self._ask("reload", timeout_s=timeout, wait=True)
        if not reply["ok"]:
            raise ReloadError(reply["text"])

    def stop(self, timeout: float | None = None) -> int:
        """Stop gracefully, and return the exit status. After `timeout` seconds, by default some more than
        `drain_timeout`, what is left of the server is killed."""
        return self._process.end(timeout)

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        if self._process.status is not None:
            raise RuntimeError("the server has been stopped")
        with ControlClient(self._process.control) as client:
            return client.ask(command, **arguments)

    # -- requests -----------------------------------------------------------------------------------------------------

    def _exchange(self, outgoing: Outgoing, options: RequestOptions) -> Answer:
        for name in _LOCAL:
            if name in options:
                raise TypeError(f"{name}: a real server has no such thing; wanted webpy.testing.Client for that")
        if self._process.status is not None:
            raise RuntimeError("the server has been stopped")
        with self._connect(options.get("timeout", self.timeout)) as sock:
            if self._context is None:
                return converse(sock, outgoing)
            with self._context.wrap_socket(sock, server_hostname=urlsplit(outgoing.url).hostname) as tls:
                return converse(tls, outgoing)

    def _connect(self, timeout: float | None) -> socket.socket:
        if self._unix is None:
            return socket.create_connection(self.address, timeout)  # type: ignore[arg-type]
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(timeout)
            sock.connect(self._unix)
        except BaseException:
            sock.close()
            raise
        return sock

    def _leads_here(self, before: SplitResult, after: SplitResult) -> bool:
        return before.scheme == after.scheme and before.netloc == after.netloc


def _context(certfile: str | tuple[str, ...] | None) -> ssl.SSLContext | None:
    """Return a context for clients that trusts the certificates in this file and no others, for any name; None without
    TLS. Raises OSError."""
    if certfile is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN  # a certificate need not be its own issuer's
    for path in [certfile] if isinstance(certfile, str) else certfile:
        context.load_verify_locations(path)
    return context
