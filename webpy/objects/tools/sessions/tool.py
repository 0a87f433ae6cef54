"""Owns the tool `sessions` and its functions, which `webpy.objects.lib.sessions` offers: the cookie, and when to save.

`init` finds the session of the request and sets its cookie, `save` keeps it before the answer is sent, `close` lets
other requests of it go on. The session itself is `session.Session`.
"""

from __future__ import annotations

import time
from typing import Any

from ....protocol.grammar import http_date
from ...messages.response import FileBody
from ...process.serving import request, response, serving
from ...tooling.tool import Tool
from .kinds import kind_of
from .session import Session

__all__ = ["SessionTool", "close", "expire", "init", "save", "set_response_cookie"]

_ONE_YEAR_S = 365 * 86400
_LAST_OF_ITS_POINT = 90
_SAME_SITE = ("Lax", "Strict", "None")


# parameters: CherryPy's
def init(
    storage_type: str | None = None,
    path: str | None = None,
    path_header: str | None = None,
    name: str = "session_id",
    timeout: float = 60,
    domain: str | None = None,
    secure: bool = False,
    clean_freq: float = 5,
    persistent: bool = True,
    httponly: bool = True,
    debug: bool = False,
    storage_class: type[Session] | None = None,
    samesite: str | bool | None = "Lax",
    **options: Any,
) -> None:
    """Find or begin the request's session and set its cookie; the options are those of the tool.

    Raises ValueError for an unknown storage type, or an unknown `samesite`.
    """
    if hasattr(request, "_session_init_flag"):
        return
    request._session_init_flag = True
    sent = request.cookie[name].value if name in request.cookie else None
    request._session_cookie_name = name
    kind = storage_class or kind_of(storage_type, options)
    session = serving.session = kind(sent, timeout=timeout, **options)

    def tell(id: str) -> None:
        response.cookie[name] = id

    session.id_observers.append(tell)
    set_response_cookie(path, path_header, name, timeout if persistent else None, domain, secure, httponly, samesite)


# parameters: CherryPy's
def set_response_cookie(
    path: str | None = None,
    path_header: str | None = None,
    name: str = "session_id",
    timeout: float | None = 60,
    domain: str | None = None,
    secure: bool = False,
    httponly: bool = True,
    samesite: str | bool | None = "Lax",
) -> None:
    """Set the session's cookie; the parameters are options of the tool. timeout: None: it ends with the browser.

    Raises ValueError for an unknown `samesite`, or for "None" without `secure`.
    """
    if samesite and samesite not in _SAME_SITE:
        raise ValueError(f"tools.sessions.samesite: got {samesite!r}, wanted one of {', '.join(_SAME_SITE)}, or False")
    if samesite == "None" and not secure:
        raise ValueError("tools.sessions.samesite: 'None' wants tools.sessions.secure, or browsers drop the cookie")
    cookie = response.cookie
    cookie[name] = serving.session.id
    cookie[name]["path"] = path or request.headers.get(path_header or "") or "/"
    if timeout:
        cookie[name]["max-age"] = timeout * 60
        cookie[name]["expires"] = http_date(time.time() + timeout * 60)
    if domain is not None:
        cookie[name]["domain"] = domain
    if secure:
        cookie[name]["secure"] = 1
    if httponly:
        cookie[name]["httponly"] = 1
    if samesite:
        cookie[name]["samesite"] = samesite


def expire() -> None:
    """Make the client drop the session's cookie. `session.delete()` ends the session itself."""
    morsel = response.cookie[getattr(request, "_session_cookie_name", "session_id")]
    morsel["expires"] = http_date(time.time() - _ONE_YEAR_S)
    morsel["max-age"] = ""


def save() -> None:
    """Save the session: before the answer is sent, or after a streamed one."""
    session = serving.__dict__.get("session")
    if session is None or hasattr(request, "_sessionsaved"):
        return
    request._sessionsaved = True
    if response.stream:
        request.hooks.attach("on_end_request", session.save)
        return
    if hasattr(response.body, "__next__") and not isinstance(response.body, FileBody):
        response.collapse_body()  # the page is a generator: it may still change the session
    session.save()


def close() -> None:
    """Unlock the session at the end of the request, however it ended."""
    session = serving.__dict__.get("session")
    if session is not None:
        session.close()


save.failsafe = True  # type: ignore[attr-defined]
close.failsafe = True  # type: ignore[attr-defined]
close.priority = _LAST_OF_ITS_POINT  # type: ignore[attr-defined]


class SessionTool(Tool):
    """Runs `init` before the body is read, `save` before the answer is sent, `close` at the end of the request."""

    def __init__(self) -> None:
        super().__init__("before_request_body", init, "sessions")

    def _lock_session(self) -> None:
        serving.session.acquire_lock()

    def _setup(self) -> None:
        hooks = request.hooks
        settings = self._merged_args()
        priority = settings.pop("priority", None)
        priority = getattr(self.callable, "priority", self._priority) if priority is None else priority
        locking = settings.pop("locking", "implicit")
        hooks.attach(self._point, self.callable, priority=priority, **settings)
        if locking == "early":
            hooks.attach("before_request_body", self._lock_session, priority=60)
        hooks.attach("before_finalize", save)
        hooks.attach("on_end_request", close)

    def regenerate(self) -> None:
        """Give the session a new id and set its cookie."""
        serving.session.regenerate()
