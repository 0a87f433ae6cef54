"""Owns `Session`, the class of `webpy.objects.session`; `kinds` has its subclasses, by where sessions are kept.

Loading and saving are done by `webpy.session`, and so is locking: a session belongs to one request at a time, across
all workers, from its first use until it is saved. Knows no cookies and no hooks: `tool` does.
"""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, KeysView, ValuesView
from typing import Any

from .... import session as webpy_session
from ....logthrottle import throttle
from ....session import Keeper, SessionBusy, SessionLost, Terms, find_keeper
from ....store import Store, StoreError
from ...messages.errors import HTTPError
from ...process.logs import log
from .values import from_json, to_json

__all__ = ["Session"]

_NAME = "objects"  # the key of this mapping in the stored session; other keys are left alone
_MAX_BYTES = 1 << 20
_WARNING = 30
_MISSING: Any = object()


class Session:
    """The session of one request, loaded when it is first used. Its keys may be any values that it can keep.

    id: the one that the client has sent, or None; options: set as attributes, such as `timeout` in minutes.
    """

    timeout: float = 60
    lock_timeout: float | None = 10.0
    max_bytes = _MAX_BYTES

    keeps_always = False
    """Whether changes are also kept when the request fails with an unexpected exception."""

    def __init__(self, id: str | None = None, **options: Any) -> None:
        for name, value in options.items():
            setattr(self, name, value)
        self.id_observers: list[Callable[[str], None]] = []
        self.originalid = id
        self.missing = False
        """Whether the client sent an id that no session has."""
        self.regenerated = False
        self.locked = False
        """Whether this request holds the session's lock."""
        self.loaded = False
        self._data: dict[Any, Any] = {}
        wait_s = 10.0 if self.lock_timeout is None else float(self.lock_timeout)
        self._terms = Terms(self.timeout * 60.0, None, wait_s, self.max_bytes)
        self._keeper: Keeper = find_keeper(self.where())
        self._open: webpy_session.Session | None = None
        found = None if id is None else self._try(lambda: self._keeper.peek(id, self._terms))
        self.missing = found is not None and found.new
        self._id = self._new() if found is None or found.new else found.id

    def where(self) -> str | Store | None:
        """Return the store that sessions are kept in, or its URL; None is the default of `webpy.session`."""
        return None

    @property
    def id(self) -> str:
        """The session's id, a secret: never show or log it."""
        return self._id

    def _set_id(self, id: str) -> None:
        if id != self._id:
            self._id = id
            for observer in self.id_observers:
                observer(id)

    def _new(self) -> str:
        """Begin a new session and return its id."""
        self._open = self._keeper.open(None, self._terms)
        return self._open.id

    def acquire_lock(self) -> None:
        """Wait for the session's lock. The first use of the session does so, too.

        Raises HTTPError 503 if that takes longer than `lock_timeout` (10 s).
        """
        if self._open is None:
            self._open = self._try(lambda: self._keeper.open(self._id, self._terms))
            if self._open.new:  # the session has ended since the request began
                self.missing = True
                self._set_id(self._open.id)
        self.locked = True

    def release_lock(self) -> None:
        """Save the session, if it was used, and release the lock. Raises as `save` does."""
        if self.loaded:
            self.save()
        else:
            self._drop()

    def _drop(self) -> None:
        """Release the lock and drop unsaved changes."""
        if self._open is not None and self._open.loaded is not None:
            self._keeper.drop(self._open)
            self._open = None
        self.loaded = self.locked = False

    def load(self) -> None:
        """Read the stored session. The first use of the session does so, too."""
        self.acquire_lock()
        assert self._open is not None
        try:
            kept = from_json(self._open.get(_NAME, {}))
        except (ValueError, TypeError) as error:
            log(f"a session cannot be read and is emptied: {type(error).__name__}", "SESSION", severity=_WARNING)
            kept = {}
        self._data = kept
        self.loaded = True

    def save(self) -> None:
        """Store the session, if it was used, and release the lock. If it is used again, it is loaded again.

        Raises HTTPError 503 if the store fails; TypeError, ValueError for values that cannot be kept.
        """
        opened = self._open
        if opened is None or not self.loaded:
            self._drop()
            return
        try:
            opened[_NAME] = to_json(self._data)
            self._try(lambda: self._keeper.save(opened, self._terms))
        finally:
            self._keeper.drop(opened)
            self._open, self.loaded, self.locked = None, False, False

    def delete(self) -> None:
        """End the session and drop what it holds. If values are set afterwards, a new one with another id begins."""
        self.acquire_lock()
        opened, self._open = self._open, None
        assert opened is not None
        if opened.loaded is not None:
            opened.invalidate()
            self._try(lambda: self._keeper.save(opened, self._terms))
        self._data, self.loaded, self.locked = {}, False, False
        self._open = self._keeper.open(None, self._terms)

    def regenerate(self) -> None:
        """Continue under a new id and make the old one invalid. Call this when a user logs in.

        As in CherryPy, the session keeps its values if it was used before in this request, else it begins empty.
        """
        self.regenerated = True
        if self.loaded:
            assert self._open is not None
            self._open.regenerate()
            self._set_id(self._open.id)
        else:
            self.delete()
            assert self._open is not None
            self._set_id(self._open.id)

    def clean_up(self) -> None:
        """Does nothing: the store removes sessions that have ended."""

    def close(self) -> None:
        """Release the lock at the end of the request; save first if changes are always kept."""
        if self.loaded and self.keeps_always:
            try:
                self.save()
            except (HTTPError, TypeError, ValueError) as error:
                log(f"the session was not saved: {error}", "SESSION", severity=_WARNING)
        self._drop()

    def _try(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except SessionBusy as error:
            why = f"other requests of the session took too long: {error}"
        except SessionLost as error:
            why = f"another request has changed the session: {error}"
        except StoreError as error:
            why = f"the store of sessions failed: {error}"
        more = throttle(why)
        if more is not None:
            log(why + more, "SESSION", severity=_WARNING)
        raise HTTPError(503, "The session is not available now; try again.")

    def _loaded(self) -> dict[Any, Any]:
        if not self.loaded:
            self.load()
            assert self._open is not None
            self._set_id(self._open.id)  # a new one if the session was deleted before
        return self._data

    def __getitem__(self, key: Any) -> Any:
        return self._loaded()[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._loaded()[key] = value

    def __delitem__(self, key: Any) -> None:
        del self._loaded()[key]

    def __contains__(self, key: object) -> bool:
        return key in self._loaded()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._loaded())

    def __len__(self) -> int:
        return len(self._loaded())

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the value of `key`, or `default`."""
        return self._loaded().get(key, default)

    def pop(self, key: Any, default: Any = _MISSING) -> Any:
        """Remove `key` and return its value, or `default`. Raises KeyError if there is neither."""
        data = self._loaded()
        return data.pop(key) if default is _MISSING else data.pop(key, default)

    def update(self, *others: Any, **more: Any) -> None:
        """Set these keys, as `dict.update` does."""
        self._loaded().update(*others, **more)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """Set `key` to `default` unless it is set, and return its value."""
        return self._loaded().setdefault(key, default)

    def clear(self) -> None:
        """Remove all keys; the session continues."""
        self._loaded().clear()

    def keys(self) -> KeysView[Any]:
        """Return the keys."""
        return self._loaded().keys()

    def items(self) -> ItemsView[Any, Any]:
        """Return keys and values."""
        return self._loaded().items()

    def values(self) -> ValuesView[Any]:
        """Return the values."""
        return self._loaded().values()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"  # without id and values: it may be written to a log
