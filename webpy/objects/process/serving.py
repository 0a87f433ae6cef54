"""Owns what "the request being served" means: a place for each thread, and proxies that look there.

Everything below `webpy.objects` and every tool reads the request through here. Knows neither what a request is nor who
puts it here (`handler`).
"""

from __future__ import annotations

import threading
from typing import Any

__all__ = ["Proxy", "Serving", "request", "response", "serving", "session", "thread_data"]


class Serving(threading.local):
    """What this thread serves. The class's own attributes are what there is outside of a request."""

    request: Any = None
    response: Any = None

    def load(self, request: Any, response: Any) -> None:
        """Serve this request from now on, and nothing that was kept for one before."""
        self.__dict__.clear()
        self.request = request
        self.response = response

    def clear(self) -> None:
        """Serve nothing."""
        self.__dict__.clear()

    def take(self) -> dict[str, Any]:
        """What this thread serves, the session among it, for whoever goes on with it; it serves nothing then."""
        taken = dict(self.__dict__)
        self.__dict__.clear()
        return taken

    def resume(self, taken: dict[str, Any]) -> None:
        """Serve what was taken, in this thread or another."""
        self.__dict__.clear()
        self.__dict__.update(taken)


serving = Serving()


class Proxy:
    """Stands for an attribute of `serving`, whatever it is in the thread that asks."""

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
#: there is one only where the tool `sessions` is on; AttributeError elsewhere
session: Any = Proxy("session")
#: a place for what a thread wants to keep, such as a connection to a database
thread_data = threading.local()
