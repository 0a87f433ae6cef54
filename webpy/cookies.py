"""Reads and sets cookies (RFC 6265 and its successor, draft-ietf-httpbis-rfc6265bis): `CookieMixIn`.

    class Theme(webpy.cookies.CookieMixIn):
        def do_get(self):
            return 200, self.cookies.get('theme', 'light')     # a mapping; ['theme'] answers 400 if it is missing

        def do_put(self):
            self.set_cookie('theme', 'dark', max_age=365 * 86400)
            return 204, None

        def do_delete(self):
            self.delete_cookie('theme')
            return 204, None

A cookie that was set before the method raises an `HTTPError`, such as a redirect, is sent with that answer; before any
other exception it is not.

`parse` and `format_cookie` do the same without a handler; `put` adds a cookie of `format_cookie` to an answer's
headers, also to those of an `HTTPError`.

Options, arguments of `set_cookie` and `format_cookie`: `path` ("/"; None leaves it out, and the browser uses the folder
of the request), `domain` (None: this host only; else its subdomains too), `max_age` in seconds and `expires` (both
None: until the browser is closed), `http_only` (True: hidden from scripts), `same_site` ("Lax", "Strict", "None", or
None to leave it out), `secure` (sent over TLS only; the default of `set_cookie` is True if the request came over TLS),
`partitioned`.

ValueError is raised for cookies that would break the field, or that browsers would silently drop: names that are not a
token; values with white space, commas, semicolons, quotes, backslashes or anything but ASCII (encode them with
`urllib.parse.quote`); more than 4096 bytes; `SameSite=None` or `Partitioned` without `Secure`; names `__Secure-…` or
`__Host-…` without the attributes that these promise.

Caveats: a client can send any cookie it likes: keep secrets in `webpy.session`, not here. If a name is sent several
times, the first value counts, which is the one with the longest path. Behind a proxy that ends TLS, name it in
`--forwarded-allow-ips`, or pass `secure=True`. An answer that depends on a cookie should tell caches so:
`Vary: Cookie`.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .framework.fields import MissingField
from .framework.handler import HTTPHandler
from .framework.merging import put_cookie
from .protocol.grammar import TOKEN, http_date

if TYPE_CHECKING:
    from .framework.headers import HTTPHeaders

__all__ = ["CookieMixIn", "format_cookie", "parse", "put"]

_VALUE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")  # cookie-octet, RFC 6265 section 4.1.1
_PATH = re.compile(r"/[\x20-\x3a\x3c-\x7e]*")  # path-value
_LABEL = r"[0-9A-Za-z](?:[0-9A-Za-z-]{0,61}[0-9A-Za-z])?"  # RFC 1123 section 2.1
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_SAME_SITE = ("Lax", "Strict", "None")
_MAX_BYTES = 4096  # of name and value, and
_MAX_ATTRIBUTE_BYTES = 1024  # of an attribute's value: browsers ignore what is longer (rfc6265bis section 5.6)


class _Cookies(dict[str, str]):
    def __missing__(self, name: object) -> str:
        raise MissingField("cookies", name)


def parse(value: str) -> dict[str, str]:
    """Return names and values of a Cookie field (RFC 6265 section 4.2.1), as sent, without quotes around a value.

    Parts that are not name=value are left out. If a name was sent several times, the first value counts.
    """
    found = _Cookies()
    for pair in value.split(";"):
        name, equals, content = pair.partition("=")
        name, content = name.strip(" \t"), content.strip(" \t")
        if len(content) > 1 and content[0] == content[-1] == '"':
            content = content[1:-1]
        if equals and name:
            found.setdefault(name, content)
    return found


# parameters: the attributes that RFC 6265 knows, each by its name
def format_cookie(
    name: str,
    value: str,
    *,
    path: str | None = "/",
    domain: str | None = None,
    max_age: int | None = None,
    expires: datetime.datetime | float | None = None,
    secure: bool = False,
    http_only: bool = True,
    same_site: str | None = "Lax",
    partitioned: bool = False,
) -> str:
    """Return the value of a Set-Cookie field (RFC 6265 section 4.1).

    max_age: in seconds, 0 deletes the cookie; expires: an aware datetime, or seconds since the epoch. Raises
    ValueError, which names it, for an argument that cannot be sent or would be ignored; TypeError for other types.
    """
    _check(name, value, path, domain, same_site)
    low = name.lower()
    if low.startswith(("__secure-", "__host-")) and not secure:
        raise ValueError(f"cookie {name!r}: its prefix wants secure=True")
    if low.startswith("__host-") and (domain is not None or path != "/"):
        raise ValueError(f"cookie {name!r}: got domain {domain!r} and path {path!r}, its prefix wants None and '/'")
    if same_site == "None" and not secure:
        raise ValueError(f"cookie {name!r}: same_site='None' wants secure=True")
    if partitioned and not secure:
        raise ValueError(f"cookie {name!r}: partitioned=True wants secure=True")
    parts = [f"{name}={value}"]
    if path is not None:
        parts.append(f"Path={path}")
    if domain is not None:
        parts.append(f"Domain={domain}")
    if max_age is not None:
        if isinstance(max_age, bool) or not isinstance(max_age, int):
            raise TypeError(f"cookie {name!r}: got max_age {max_age!r}, wanted whole seconds")
        parts.append(f"Max-Age={max(max_age, 0)}")
    if expires is not None:
        parts.append(f"Expires={_date(name, expires)}")
    if secure:
        parts.append("Secure")
    if http_only:
        parts.append("HttpOnly")
    if same_site is not None:
        parts.append(f"SameSite={same_site}")
    if partitioned:
        parts.append("Partitioned")
    return "; ".join(parts)


def put(headers: HTTPHeaders, cookie: str) -> None:
    """Add a cookie of `format_cookie`; it replaces an earlier one of the same name, path and domain."""
    put_cookie(headers, cookie)


class CookieMixIn(HTTPHandler):
    """Put in front of a handler: it has `cookies`, `set_cookie` and `delete_cookie`."""

    _cookies: dict[str, str] | None = None

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies that the client sent, not those that this answer sets."""
        if self._cookies is None:
            self._cookies = parse("; ".join(self.request.headers.getlist("Cookie")))
        return self._cookies

    # parameters: the attributes that RFC 6265 knows, each by its name
    def set_cookie(
        self,
        name: str,
        value: str,
        *,
        path: str | None = "/",
        domain: str | None = None,
        max_age: int | None = None,
        expires: datetime.datetime | float | None = None,
        secure: bool | None = None,
        http_only: bool = True,
        same_site: str | None = "Lax",
        partitioned: bool = False,
    ) -> None:
        """Set a cookie in this answer; takes and raises the same as `format_cookie`.

        secure: None for whether the request came over TLS.
        """
        cookie = format_cookie(
            name,
            value,
            path=path,
            domain=domain,
            max_age=max_age,
            expires=expires,
            secure=self.request.scheme == "https" if secure is None else secure,
            http_only=http_only,
            same_site=same_site,
            partitioned=partitioned,
        )
        put(self.response.headers, cookie)

    def delete_cookie(self, name: str, *, path: str | None = "/", domain: str | None = None) -> None:
        """Delete, in this answer, a cookie that was set with this path and domain."""
        secure = self.request.scheme == "https" or name.lower().startswith(("__secure-", "__host-"))
        self.set_cookie(name, "", path=path, domain=domain, max_age=0, expires=0, secure=secure)


def _check(name: str, value: str, path: str | None, domain: str | None, same_site: str | None) -> None:
    for what, given in (("name", name), ("value", value), ("path", path or ""), ("domain", domain or "")):
        if not isinstance(given, str):
            raise TypeError(f"a cookie's {what} is str, not {type(given).__name__}: {given!r}")
    if not TOKEN.fullmatch(name):
        raise ValueError(f"cookie {name!r}: wanted a token as its name")
    if not _VALUE.fullmatch(value):
        # the value may be a secret: the message shows only what is wrong in it
        bad = next(char for char in value if not _VALUE.fullmatch(char))
        raise ValueError(f"cookie {name!r}: its value holds {bad!r}; make it fit with urllib.parse.quote")
    if len(name) + len(value) > _MAX_BYTES:
        raise ValueError(f"cookie {name!r:.60}: got {len(name) + len(value)} bytes, wanted {_MAX_BYTES} at most")
    if path is not None and not (_PATH.fullmatch(path) and len(path) <= _MAX_ATTRIBUTE_BYTES):
        raise ValueError(f"cookie {name!r}: got path {path!r:.60}, wanted one that begins with '/', without ';'")
    if domain is not None and not (_DOMAIN.fullmatch(domain) and len(domain) <= 253):
        raise ValueError(f"cookie {name!r}: got domain {domain!r:.60}, wanted a host name")
    if same_site is not None and same_site not in _SAME_SITE:
        raise ValueError(f"cookie {name!r}: got same_site {same_site!r}, wanted one of {', '.join(_SAME_SITE)}")


def _date(name: str, when: datetime.datetime | float) -> str:
    """Return the date as IMF-fixdate (RFC 9110 section 5.6.7). Raises ValueError."""
    if isinstance(when, datetime.datetime):
        if when.tzinfo is None:
            raise ValueError(f"cookie {name!r}: got expires {when!r} without a time zone")
        when = when.timestamp()
    try:
        return http_date(when)
    except (OverflowError, ValueError):
        raise ValueError(f"cookie {name!r}: got expires {when!r}, wanted a date of the years 1 to 9999") from None
