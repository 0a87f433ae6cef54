"""Owns `Session`, the mapping that pages know as `webpy.objects.session`; `kinds` has those that tell where it is kept.

Loading, saving and that no change is lost are `webpy.session`'s: a session belongs to one request at a time, on all
workers, from the first touch until it is saved. Knows no cookie and no hook; `sessions` does.
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

_NAME = "objects"  # in the stored session: what is beside it is left alone
_MAX_BYTES = 1 << 20
_WARNING = 30
_MISSING: Any = object()


class Session:
    """The session of one request, loaded when it is first touched. Its names may be any values it can keep.

    id: what the client has sent; timeout: minutes; other options, which the kinds know, as keywords.
    """

    timeout: float = 60
    lock_timeout: float | None = 10.0
    max_bytes = _MAX_BYTES

    keeps_always = False
    """Whether changes are kept of a request, too, that ends otherwise than with an answer of its page."""

    def __init__(self, id: str | None = None, **options: Any) -> None:
        for name, value in options.items():
            setattr(self, name, value)
        self.id_observers: list[Callable[[str], None]] = []
        self.originalid = id
        self.missing = False
        """The client sent an id that there is no session for."""
        self.regenerated = False
        self.locked = False
        """No other request has the session now."""
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
        """The store, or its URL, that the sessions are kept in; None for the default of `webpy.session`."""
        return None

    @property
    def id(self) -> str:
        """The secret in the cookie: never show or log it."""
        return self._id

    def _set_id(self, id: str) -> None:
        if id != self._id:
            self._id = id
            for observer in self.id_observers:
                observer(id)

    def _new(self) -> str:
        """Begin a session that nobody has, and give its id."""
        self._open = self._keeper.open(None, self._terms)
        return self._open.id

    def acquire_lock(self) -> None:
        """Wait until no other request has the session. Raises HTTPError 503 if that takes longer than
        `lock_timeout` (10 s). The first touch does it, too."""
        if self._open is None:
            self._open = self._try(lambda: self._keeper.open(self._id, self._terms))
            if self._open.new:  # it has ended since the request began
                self.missing = True
                self._set_id(self._open.id)
        self.locked = True

    def release_lock(self) -> None:
        """Let the next request in, with what was changed saved; as `save`."""
        if self.loaded:
            self.save()
        else:
            self._drop()

    def _drop(self) -> None:
        """Let the next request in, and forget what was not saved."""
        if self._open is not None and self._open.loaded is not None:
            self._keeper.drop(self._open)
            self._open = None
        self.loaded = self.locked = False

    def load(self) -> None:
        """Read what is kept, as the first touch does."""
        self.acquire_lock()
        assert self._open is not None
        try:
            kept = from_json(self._open.get(_NAME, {}))
        except (ValueError, TypeError) as error:
            log(f"a session cannot be read, and is begun anew: {type(error).__name__}", "SESSION", severity=_WARNING)
            kept = {}
        self._data = kept
        self.loaded = True

    def save(self) -> None:
        """Keep what it holds, if it was touched, and let the next request in; touched again, it is loaded again.

        Raises HTTPError 503 if it cannot be done; TypeError, ValueError for what cannot be kept.
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
        """End the session: nothing of it is kept. What is set after it begins a new one, with another id."""
        self.acquire_lock()
        opened, self._open = self._open, None
        assert opened is not None
        if opened.loaded is not None:
            opened.invalidate()
            self._try(lambda: self._keeper.save(opened, self._terms))
        self._data, self.loaded, self.locked = {}, False, False
        self._open = self._keeper.open(None, self._terms)

    def regenerate(self) -> None:
        """Go on under a new id; the old one is of no use any more. Call it where somebody logs in.

        As in CherryPy, the session goes along if it was touched before, else it begins empty.
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
        """Nothing: what has ended is removed by the store."""

    def close(self) -> None:
        """Let the next request in, at the end of this one."""
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
            why = f"the session has changed meanwhile: {error}"
        except StoreError as error:
            why = f"the store of sessions failed: {error}"
        more = throttle(why)
        if more is not None:
            log(why + more, "SESSION", severity=_WARNING)
        raise HTTPError(503, "The session cannot be had now; try again.")

    def _loaded(self) -> dict[Any, Any]:
        if not self.loaded:
            self.load()
            assert self._open is not None
            self._set_id(self._open.id)  # another one if it was deleted, and goes on
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
        """The value, or `default`."""
        return self._loaded().get(key, default)

    def pop(self, key: Any, default: Any = _MISSING) -> Any:
        """Remove `key` and give its value, or `default`. Raises KeyError without one."""
        data = self._loaded()
        return data.pop(key) if default is _MISSING else data.pop(key, default)

    def update(self, *others: Any, **more: Any) -> None:
        """Set all of these."""
        self._loaded().update(*others, **more)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """The value, which is `default` if there was none."""
        return self._loaded().setdefault(key, default)

    def clear(self) -> None:
        """Forget what it holds; it goes on."""
        self._loaded().clear()

    def keys(self) -> KeysView[Any]:
        """Its names."""
        return self._loaded().keys()

    def items(self) -> ItemsView[Any, Any]:
        """Names and values."""
        return self._loaded().items()

    def values(self) -> ValuesView[Any]:
        """Its values."""
        return self._loaded().values()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"  # neither id nor values: it may come into a log
