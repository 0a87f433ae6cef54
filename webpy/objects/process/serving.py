"""Owns `serving`, which holds the request that each thread serves, and the proxies `request`, `response`, `session`.

All of `webpy.objects` and every tool finds the current request through this module. `Application.get_serving` sets it;
this module knows nothing of what a request is.
"""

from __future__ import annotations

import threading
from typing import Any

__all__ = ["Proxy", "Serving", "request", "response", "serving", "session", "thread_data"]


class Serving(threading.local):
    """The request and response that this thread serves. The class attributes hold outside of a request."""

    request: Any = None
    response: Any = None

    def load(self, request: Any, response: Any) -> None:
        """Serve this request from now on; everything kept for an earlier one is dropped."""
        self.__dict__.clear()
        self.request = request
        self.response = response

    def clear(self) -> None:
        """Drop what this thread serves."""
        self.__dict__.clear()

    def take(self) -> dict[str, Any]:
        """Return what this thread serves, the session included, so that another thread can `resume` it; this thread
        serves nothing from then on."""
        taken = dict(self.__dict__)
        self.__dict__.clear()
        return taken

    def resume(self, taken: dict[str, Any]) -> None:
        """Serve in this thread what `take` returned, in this thread or another."""
        self.__dict__.clear()
        self.__dict__.update(taken)


serving = Serving()


class Proxy:
    """Stands for an attribute of `serving`: every access goes to the object of the current thread."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_name", name)

    def __getattr__(self, name: str) -> Any:
        return getattr(_behind(self), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(_behind(self), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(_behind(self), name)

    def __getitem__(self, key: Any) -> Any:
        return _behind(self)[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        _behind(self)[key] = value

    def __delitem__(self, key: Any) -> None:
        del _behind(self)[key]

    def __contains__(self, key: Any) -> bool:
        return key in _behind(self)

    def __iter__(self) -> Any:
        return iter(_behind(self))

    def __len__(self) -> int:
        return len(_behind(self))

    def __bool__(self) -> bool:
        return bool(_behind(self))

    def __dir__(self) -> list[str]:
        return dir(_behind(self))

    def __repr__(self) -> str:
        name = object.__getattribute__(self, "_name")
        return f"<{name} of this thread: {getattr(serving, name, None)!r}>"


def _behind(proxy: Proxy) -> Any:
    return getattr(serving, object.__getattribute__(proxy, "_name"))


request: Any = Proxy("request")
response: Any = Proxy("response")
#: exists only where the tool `sessions` is on; AttributeError elsewhere
session: Any = Proxy("session")
#: for an application's own objects that belong to a thread, such as a database connection
thread_data = threading.local()
