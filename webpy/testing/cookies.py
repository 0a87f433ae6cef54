"""Owns `Cookies`: what a client remembers between its requests, by the rules of the standard library's
`http.cookiejar` for path, domain, `Secure` and expiry. Knows nothing of connections."""

from __future__ import annotations

import http.cookiejar
import urllib.request
from collections.abc import Iterable, Iterator
from email.message import Message

__all__ = ["Cookies"]


class _SetCookie:
    """One Set-Cookie field, as `http.cookiejar` wants to be given an answer."""

    def __init__(self, value: str) -> None:
        self._fields = Message()
        self._fields["Set-Cookie"] = value

    def info(self) -> Message:
        return self._fields


class Cookies:
    """The cookies of a client: a mapping of names to values, and methods to set and to clear.

    A cookie goes with a request if its domain and path fit the URL, if it has not expired, and, for a `Secure` one, if
    the scheme is https. `jar` is the `http.cookiejar.CookieJar` itself. May be used by several threads.
    """

    def __init__(self, url: str) -> None:
        """url: that of the site to which cookies that a test sets belong."""
        self._url = url
        self.jar = http.cookiejar.CookieJar()

    def take(self, url: str, lines: Iterable[str]) -> None:
        """Remember what the Set-Cookie fields `lines` of an answer from `url` say."""
        request = urllib.request.Request(url)
        for line in lines:
            value = line.partition(";")[0].partition("=")[2].strip()
            for cookie in self.jar.make_cookies(_SetCookie(line), request):  # type: ignore[arg-type]
                cookie.value = value  # as it was sent: the jar takes quotes off
                self.jar.set_cookie_if_ok(cookie, request)

    def header(self, url: str) -> str | None:
        """Return the value of the field Cookie for a request to `url`; None if no cookie goes with it."""
        request = urllib.request.Request(url)
        self.jar.add_cookie_header(request)
        return request.get_header("Cookie")

    def set(self, name: str, value: str, *, path: str = "/", domain: str | None = None) -> None:
        """Set a cookie, for this client's site unless `domain` says otherwise."""
        line = f"{name}={value}; Path={path}"
        before = len(self.jar)
        self.take(self._url if domain is None else f"https://{domain}/", [line])
        if len(self.jar) == before and name not in self:
            raise ValueError(f"got the cookie {line!r}, wanted a name and a value that a Set-Cookie field can hold")

    def clear(self) -> None:
        """Forget all cookies."""
        self.jar.clear()

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the value of a cookie, or `default`."""
        for cookie in self.jar:
            if cookie.name == name:
                return cookie.value
        return default

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str, value: str) -> None:
        self.set(name, value)

    def __delitem__(self, name: str) -> None:
        """Forget the cookies of this name. Raises KeyError if there is none."""
        found = [cookie for cookie in self.jar if cookie.name == name]
        if not found:
            raise KeyError(name)
        for cookie in found:
            self.jar.clear(cookie.domain, cookie.path, cookie.name)

    def __contains__(self, name: object) -> bool:
        return any(cookie.name == name for cookie in self.jar)

    def __iter__(self) -> Iterator[str]:
        return iter([cookie.name for cookie in self.jar])

    def __len__(self) -> int:
        return len(self.jar)

    def __repr__(self) -> str:
        return f"Cookies({ {cookie.name: cookie.value for cookie in self.jar}!r})"
