"""`Client`: a client of an application in the test's own process.

Owns what a test gives it, and what it raises in the test; `localworker` serves, `requester` has the methods.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..framework.origin import Origin
from ..settings import SettingsError
from ..supervisor import LoadError
from ..target.errors import TargetError
from .errors import StartError
from .localworker import LocalWorker
from .order import Order
from .requester import Requester
from .wire import converse

if TYPE_CHECKING:
    from .answer import Answer
    from .outgoing import Fields, Outgoing, RequestOptions

__all__ = ["Client"]

_ADDRESS = ("127.0.0.1", 50000)
_OF_PROCESSES = ("admin", "bind", "certfile", "control", "keyfile", "pidfile", "reload", "user", "workers")
_HERE = {"access_log": "off", "control": "off", "workers": 1}


class Client(Requester):
    """A client of TARGET, which is loaded and served in this process by one worker: no port, no other process.

    target: what `webpy serve` takes (a str such as "app:routes" or "path/to/app.py", or a `Path`), a module, or the
    object itself: a dict of routes, a handler, a WSGI application, an object with exposed methods, an `HTTPServer`.
    settings: options of `webpy serve` by their names with "_", such as `max_body=1000`, `threads=1`, or the name of a
    file of them, `config="webpy.toml"`. The environment, and a settings file that is not named, do not count.

    raise_errors: an exception in a handler, or in a body that it gave, is raised in the test; with False the test sees
    the 500 that a browser would. client_address: (host, port) that handlers see. See `Requester` for the others.

    May be used by several threads. `close`, or the end of a `with` block, gives back what it opened. Raises StartError
    if TARGET cannot be loaded.
    """

    # parameters: each is an option that tests give by name
    def __init__(
        self,
        target: Any,
        *,
        base_url: str = "http://localhost",
        headers: Fields = (),
        follow_redirects: bool = False,
        raise_errors: bool = True,
        timeout: float | None = None,
        client_address: tuple[str, int] = _ADDRESS,
        error_routes: Mapping[Any, Any] | None = None,
        kind: str | None = None,
        config: str | os.PathLike[str] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(base_url, headers=headers, follow_redirects=follow_redirects, timeout=timeout)
        self.raise_errors = raise_errors
        self.client_address = client_address
        for name in _OF_PROCESSES:
            if name in settings:
                raise TypeError(f"{name}: a Client serves in this process; wanted webpy.testing.serve for that")
        order = Order(target, {**settings, **_HERE}, kind, None if config is None else os.fspath(config), error_routes)
        try:
            resolved = order.resolve()
            self._worker = LocalWorker(order.load(), resolved)
        except (SettingsError, TargetError, LoadError) as error:
            raise StartError(str(error)) from None
        self._finalizer = weakref.finalize(self, _close_beside, self._worker)
        self._finalizer.atexit = False

    def close(self) -> None:
        """Stop serving, and give back what was opened; handlers that still run get some seconds to end."""
        self._finalizer.detach()
        self._worker.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _exchange(self, outgoing: Outgoing, options: RequestOptions) -> Answer:
        parts = urlsplit(outgoing.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        origin = Origin(options.get("client_address", self.client_address), parts.scheme)
        connection = self._worker.connect(origin, (parts.hostname or "", port))
        raises = options.get("raise_errors", self.raise_errors)
        try:
            connection.sock.settimeout(options.get("timeout", self.timeout))
            answer = converse(connection.sock, outgoing)
        except ConnectionError:
            connection.finish()
            if raises:
                _raise_first(connection.errors)
            raise
        except BaseException:
            connection.close()
            raise
        connection.finish()
        if raises:
            _raise_first(connection.errors)
        return answer


def _raise_first(errors: list[BaseException]) -> None:
    """Raise what the application raised first. What ends a program ends a request here, and not the tests."""
    for error in errors:
        if not isinstance(error, (SystemExit, KeyboardInterrupt, GeneratorExit)):
            raise error


def _close_beside(worker: LocalWorker) -> None:
    """Close the worker of a client that nobody has any more, on a thread: this may be one of the worker's own."""
    threading.Thread(target=worker.close, daemon=True).start()
