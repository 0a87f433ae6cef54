"""Things that work with a single worker only, as they are kept in the memory of one process: `memory:` stores.

With several workers each would have its own, and a login, for example, would be known to one of them only. So code that
makes such a thing registers it here, and a server with more than one worker is refused at its start. Owns the list of
what was registered. Knows nothing of stores and servers: `webpy.store` and `webpy.objects` register, the worker's
application and `webpy check` ask.
"""

from __future__ import annotations

import weakref

from .framework.errors import Unavailable

__all__ = ["SingleWorkerError", "forget", "refusal", "require_single_worker", "set_worker_count", "single_worker_names"]

_INSTEAD = "wanted --workers 1, or a URL that workers share: sqlite:///PATH, file:///DIR, redis://HOST, memcached://HOST"


class SingleWorkerError(Unavailable, ValueError):
    """Something that works with a single worker only was made in one of several workers."""


_registered: dict[tuple[int, str], weakref.ref[object]] = {}
_workers = 1  # the number of workers that serve, this one included


def require_single_worker(thing: object, what: str) -> None:
    """Register `thing`, for as long as it exists; `what` is its name for messages.

    Raises SingleWorkerError in a worker that is one of several, where it is too late to refuse the server.
    """
    if _workers > 1:
        raise SingleWorkerError(refusal([what]))
    _registered[id(thing), what] = weakref.ref(thing)


def forget(thing: object) -> None:
    """Remove `thing` from the list: it is not used any more."""
    for key in [key for key in _registered if key[0] == id(thing)]:
        _registered.pop(key, None)


def single_worker_names() -> list[str]:
    """Return the names of what is registered, each once; empty if any number of workers may serve."""
    return sorted({what for (_, what), thing in list(_registered.items()) if thing() is not None})


def refusal(names: list[str]) -> str:
    """Return why more than one worker cannot serve with things of these names, and what to use instead."""
    return f"each worker would have its own {' and '.join(names)}: {_INSTEAD}"


def set_worker_count(workers: int) -> None:
    """Note that this process is one of `workers` workers (called in each worker, as it starts)."""
    global _workers
    _workers = workers
