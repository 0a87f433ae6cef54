"""Owns `SessionMixIn`: when a request's session is loaded and saved, and the cookie with its id."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from ..caching import keep_private
from ..cookies import CookieMixIn, format_cookie, put
from ..framework.errors import HTTPError
from ..framework.headers import HTTPHeaders
from ..framework.later import Later
from ..framework.order import Rank
from ..framework.renaming import RenamedOptions
from ..logthrottle import log_throttled
from ..store import Store, StoreError
from .keeper import SessionBusy, SessionLost, Terms
from .registry import find_keeper
from .session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..framework.response import Result

__all__ = ["SessionMixIn"]

_T = TypeVar("_T")
_BEFORE, _WITHIN, _AFTER = range(3)  # of `respond`

_log = logging.getLogger("webpy.session")


class SessionMixIn(RenamedOptions, CookieMixIn):
    """Put in front of a handler: it has `self.session`. The options are explained in `webpy.session`.

    Raises, when the class is made: ValueError for a cookie that browsers would refuse, and as `webpy.store.open`.
    """

    mixin_rank = Rank.SESSION
    renamed_options: ClassVar[Mapping[str, str]] = {"session_life_s": "session_ttl_s"}

    session_store: str | Store | None = None
    session_idle_s: float = 1800.0
    session_ttl_s: float | None = 43200.0
    session_wait_s: float = 10.0
    session_max_bytes = 65536
    session_read_only = False
    session_cookie = "session"
    session_path = "/"
    session_domain: str | None = None
    session_same_site: str | None = "Lax"
    session_secure: bool | None = None
    session_persistent = False

    _terms = Terms()
    _stage = _BEFORE
    _session: Session | None = None
    _session_touched = False
    _session_id: str | None = None  # the id that this answer gives to the client, and
    _session_field: str | None = None  # the Set-Cookie with it

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls._terms = Terms(cls.session_idle_s, cls.session_ttl_s, cls.session_wait_s, cls.session_max_bytes)
        cls._format_session_cookie("x" * 43, True)  # raises for a bad one
        find_keeper(cls.session_store)  # before the fork: workers share its locks

    @property
    def session(self) -> Session:
        """The client's session, loaded at the first use.

        Raises HTTPError 503 if other requests keep it for too long or the store fails, and RuntimeError if it is used
        for the first time when the answer has begun.
        """
        session = self._session
        if session is None:
            if self._stage == _AFTER:
                raise RuntimeError("the session was first asked for when the answer had begun; touch it in the method")
            self._session_touched = True
            id = self._sent_id if self._session_id is None else self._session_id
            keeper = find_keeper(self.session_store)
            if self._stage == _WITHIN and not self.session_read_only:
                session = self._try(lambda: keeper.open(id, self._terms))
            else:
                session = self._try(lambda: keeper.peek(id, self._terms))
                session.freeze("session_read_only is set" if self.session_read_only else "its handler does not run yet")
            self._session = session
        return session

    def save_session(self) -> None:
        """Save now, and let the next request of this session in. If it is touched again, it is loaded again.

        Raises HTTPError 503 if another request has changed the session, or the store cannot be used.
        """
        session = self._session
        if session is None or self._stage != _WITHIN or self.session_read_only:
            return
        self._session = None
        keeper = find_keeper(self.session_store)
        id = self._try(lambda: keeper.save(session, self._terms))
        # The same id is not sent again: an answer that overtakes that of `regenerate` would restore the old id.
        if id is not None and (id != self._sent_id or self.session_persistent):
            self._session_id = id
            self._session_field = self._format_session_cookie(id, self.request.scheme == "https")

    @property
    def _sent_id(self) -> str | None:
        return self.cookies.get(self.session_cookie)

    def respond(self) -> Result:
        self._stage = _WITHIN
        self._session = None  # what was loaded before may have changed
        try:
            result = super().respond()
            session = self._session
            try:
                self.save_session()
            except BaseException:
                _close_body(result)
                raise
            self._session = session
        except HTTPError as error:
            session = self._session
            if session is not None and error.status < 500:
                self.save_session()
                self._session = session
            raise self._with_fields(error) from error.__cause__
        finally:
            self._stage = _AFTER
            if self._session is not None:
                find_keeper(self.session_store).drop(self._session)
        if self._session_touched:
            self._add_fields(self.response.headers)
            if type(result) is Later:  # which may give an error instead
                keep_private(self.request.error_headers)
        return result

    def _try(self, work: Callable[[], _T]) -> _T:
        try:
            return work()
        except SessionBusy as error:
            _log.warning("a request was refused: its session was %s", error)
            why = "other requests of your session take too long"
        except SessionLost as error:
            _log.warning("a request was refused: its session was lost, %s", error)
            why = "your session has changed meanwhile"
        except StoreError as error:
            log_throttled(_log, f"the store of sessions failed: {error}")
            why = "sessions are not available now"
        raise HTTPError(503, f"{why}; try again\n", headers={"Retry-After": "1"})

    def _add_fields(self, headers: HTTPHeaders) -> None:
        keep_private(headers)
        if self._session_field is not None:
            put(headers, self._session_field)

    def _with_fields(self, error: HTTPError) -> HTTPError:
        """Return the error to raise for this client: a copy, as many requests may raise the same object."""
        if not self._session_touched:
            return error
        own = type(error).__new__(type(error), *error.args)
        own.__dict__.update(error.__dict__)
        own.headers = HTTPHeaders() if error.headers is None else error.headers.copy()
        self._add_fields(own.headers)
        return own.with_traceback(error.__traceback__)

    @classmethod
    def _format_session_cookie(cls, id: str, tls: bool) -> str:
        """Return the Set-Cookie for an id; for "", one that deletes the client's cookie."""
        name = cls.session_cookie
        wanted = cls.session_same_site == "None" or name.lower().startswith(("__secure-", "__host-"))
        secure = wanted or (tls if cls.session_secure is None else cls.session_secure)
        max_age = 0 if not id else max(1, int(cls.session_idle_s)) if cls.session_persistent else None
        return format_cookie(
            name,
            id,
            path=cls.session_path,
            domain=cls.session_domain,
            max_age=max_age,
            expires=None if id else 0,
            secure=secure,
            same_site=cls.session_same_site,
        )


def _close_body(result: Any) -> None:
    close = getattr(result[-1], "close", None) if isinstance(result, (tuple, list)) and result else None
    if close is not None:
        close()
