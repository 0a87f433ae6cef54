"""This process's connections to a memcached server: lent to one command at a time, closed in a forked child.

Owns which connection is in use. Knows no commands; the package `pymemcache` speaks the protocol. `memcached` calls it,
from any thread.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable
from typing import TypeVar

from ..atfork import AtFork

try:
    from pymemcache.client.base import Client  # type: ignore[import-untyped]
    from pymemcache.exceptions import MemcacheError  # type: ignore[import-untyped]
except ImportError as error:
    raise ImportError("a store in memcached needs the package pymemcache: pip install 'webpy[memcached]'") from error

__all__ = ["Client", "Clients", "MemcacheError"]

T = TypeVar("T")


class Clients(AtFork):
    """Lends connections to `address`, a host and port or the path of a socket.

    timeout_s: the limit for making a connection, and for each answer; name: what messages call the store.
    """

    def __init__(self, name: str, address: tuple[str, int] | str, *, timeout_s: float) -> None:
        self._name = name
        self._address = address
        self._timeout_s = timeout_s
        self._idle: list[Client] | None = []  # None: closed
        self._guard = threading.Lock()
        super().__init__()

    def run(self, command: Callable[[Client], T]) -> T:
        """Run `command` once, on a connection that it has alone; return its result.

        Raises ValueError after `close`, MemcacheError, OSError.
        """
        client = self._borrow()
        try:
            result = command(client)
        except BaseException:
            client.close()
            raise
        with self._guard:
            if self._idle is not None:
                self._idle.append(client)
                return result
        client.close()
        return result

    def close(self) -> None:
        """Close all connections; those that are in use, once they are given back."""
        with self._guard:
            idle, self._idle = self._idle, None
        for client in idle or ():
            client.close()

    def _borrow(self) -> Client:
        while True:
            with self._guard:
                if self._idle is None:
                    raise ValueError(f"store {self._name} is closed")
                if not self._idle:
                    break
                client = self._idle.pop()
            if not _has_ended(client):
                return client
            client.close()
        return self._connect()

    def _connect(self) -> Client:
        if isinstance(self._address, str):
            return self._client(self._address)
        failure: OSError | None = None
        for *_, address in socket.getaddrinfo(*self._address, type=socket.SOCK_STREAM):
            client = self._client((str(address[0]), int(address[1])))
            try:
                client.version()
                return client
            except OSError as error:
                client.close()
                failure = failure or error
            except BaseException:
                client.close()
                raise
        raise failure or OSError(f"no address of {self._address[0]!r}")

    def _client(self, address: tuple[str, int] | str) -> Client:
        wait_s = self._timeout_s
        return Client(address, connect_timeout=wait_s, timeout=wait_s, no_delay=True, default_noreply=False)

    def after_fork_in_child(self) -> None:
        """Close the child's copies of the connections, which the parent's do not notice."""
        self._guard = threading.Lock()
        for client in self._idle or ():
            client.close()
        if self._idle is not None:
            self._idle = []


def _has_ended(client: Client) -> bool:
    """Return True if the server has closed the connection (or sent something that was not asked for)."""
    if client.sock is None:
        return True
    poll = select.poll()
    poll.register(client.sock, select.POLLIN)
    return bool(poll.poll(0))
