"""Owns what happens to objects when this process forks: a base class for those that a child cannot use as they are.

A lock may be held by a thread that the child does not have; a connection is shared with the parent; a table says what
the parent holds. `os.register_at_fork` keeps what it is given for ever, so it is called once, here, and the objects are
known weakly: one that nobody uses any more goes, and is not renewed.

    class Pool(AtFork):
        def __init__(self) -> None:
            self._lock = threading.Lock()
            super().__init__()              # last: a fork may come at any time from now on

        def after_fork_in_child(self) -> None:
            self._lock = threading.Lock()

The methods are called in the order in which the objects were made. Only `supervisor/`, which imports nothing of webpy,
calls `os.register_at_fork` by itself.
"""

from __future__ import annotations

import itertools
import os
import threading
import weakref
from collections.abc import Callable, Iterable
from types import TracebackType

__all__ = ["AtFork", "ForkSafeLock"]


class AtFork:
    """Base of objects that a forked child has to renew.

    What a method raises does not keep others from being called; Python prints it to standard error.
    """

    def __init__(self) -> None:
        _objects[next(_numbers)] = self

    def before_fork(self) -> None:
        """Called in the parent, by the thread that forks, before each fork."""

    def after_fork_in_parent(self) -> None:
        """Called after each `before_fork`, by the same thread; also if the fork failed."""

    def after_fork_in_child(self) -> None:
        """Called in the child, whose only thread this is, before it runs anything else."""
        raise NotImplementedError


class ForkSafeLock(AtFork):
    """A lock for `with`, which is free in a forked child, whichever thread held it in the parent."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        super().__init__()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()


_numbers = itertools.count()
_objects: weakref.WeakValueDictionary[int, AtFork] = weakref.WeakValueDictionary()  # by number: some cannot be hashed
_forking = threading.Lock()  # held by the thread that forks, for `_prepared`
_prepared: list[AtFork] = []  # whose before_fork was called


def _known() -> list[AtFork]:
    """Return the objects there are; `values()` would be iterated while other threads add to it."""
    return [known for reference in _objects.valuerefs() if (known := reference()) is not None]


def _before_fork() -> None:
    _forking.acquire()
    for known in _known():
        if type(known).before_fork is not AtFork.before_fork:
            _prepared.append(known)
    _call_each(known.before_fork for known in _prepared)


def _after_fork_in_parent() -> None:
    prepared = _prepared[::-1]
    _prepared.clear()
    _forking.release()
    _call_each(known.after_fork_in_parent for known in prepared)


def _after_fork_in_child() -> None:
    global _forking
    _forking = threading.Lock()
    _prepared.clear()
    _call_each(known.after_fork_in_child for known in _known())


def _call_each(functions: Iterable[Callable[[], None]]) -> None:
    """Call them all. Raises the first exception, after the last call."""
    failure: BaseException | None = None
    for function in functions:
        try:
            function()
        except BaseException as error:
            failure = failure or error
    try:
        if failure is not None:
            raise failure
    finally:
        del failure  # else it would keep this frame, and what it was called for, alive


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
