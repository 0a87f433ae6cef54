"""Owns the list of what this process keeps in its own memory and a second worker would not see: `memory:` stores.

With several workers each would have its own, and answer from it: a login that only one of them knows. So whoever makes
such a thing says so here, and a server with more than one worker is refused as it starts. Knows nothing of stores and
servers; `webpy.store` tells, the worker's application and `webpy check` ask.
"""

from __future__ import annotations

import weakref

from .framework.errors import Unavailable

__all__ = ["SingleWorkerError", "forget", "refusal", "require_single_worker", "set_worker_count", "single_worker_names"]

_INSTEAD = "wanted --workers 1, or a URL that workers share: sqlite:///PATH, file:///DIR, redis://HOST, memcached://HOST"


class SingleWorkerError(Unavailable, ValueError):
    """Something that is one process's own was asked for in one of several workers."""


_registered: dict[tuple[int, str], weakref.ref[object]] = {}
_workers = 1  # beside which this process serves, itself included


def require_single_worker(thing: object, what: str) -> None:
    """Note that `thing`, while it lives, is this process's own; what: its name for a message.

    Raises SingleWorkerError in a worker that is one of several, where it is too late to refuse the server.
    """
    if _workers > 1:
        raise SingleWorkerError(refusal([what]))
    _registered[id(thing), what] = weakref.ref(thing)


def forget(thing: object) -> None:
    """It is not used any more."""
    for key in [key for key in _registered if key[0] == id(thing)]:
        _registered.pop(key, None)


def single_worker_names() -> list[str]:
    """The names of what there is, each once; empty if any number of workers may serve."""
    return sorted({what for (_, what), thing in list(_registered.items()) if thing() is not None})


def refusal(names: list[str]) -> str:
    """Why more than one worker cannot serve with these, and what to write instead."""
    return f"each worker would have its own {' and '.join(names)}: {_INSTEAD}"


def set_worker_count(workers: int) -> None:
    """This process is one of so many workers now."""
    global _workers
    _workers = workers
