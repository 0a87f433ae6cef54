"""Owns the order of mix-ins: which must come before which other in a handler's list of bases, and why.

`class Notes(CORSMixIn, BasicAuthMixIn, CachingMixIn)` runs its mix-ins in the order they are listed: the first sees
the request first and the answer last. Each of webpy's mix-ins has a rank, its recommended place. The order of most
pairs does not matter. Where it decides who gets in or what a cache keeps, a wrong order raises TypeError when the class
is made. Mix-ins of applications have no rank and may be anywhere, unless they are subclasses of webpy's.

Called by `HTTPHandler` for every subclass. Knows no mix-in by name.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Rank", "check_order"]


class Rank(IntEnum):
    """The recommended order, outermost first; a mix-in sets `mixin_rank = Rank.AUTH`."""

    REQUEST_ID = 1
    SECURITY = 2
    CORS = 3
    CSRF = 4
    RATE_LIMIT = 5
    AUTH = 6
    SESSION = 7
    COMPRESSION = 8
    CACHING = 9
    DECOMPRESSION = 10
    FORM = 11
    HOST = 12
    """Handlers that answer without calling the next: files, scripts, applications of other frameworks."""


#: (first, second): why the first must stand before the second. All other pairs may be in either order.
_REASONS = {
    (Rank.SECURITY, Rank.CACHING): "a 304 would replace the policy of a page that is stored "
    "by one that does not fit it (RFC 9111 section 3.2)",
    (Rank.CSRF, Rank.DECOMPRESSION): "bodies that pages of other sites send would be decompressed",
    (Rank.CSRF, Rank.FORM): "forms that pages of other sites send would be read",
    (Rank.CORS, Rank.AUTH): "browsers send their preflights without credentials (Fetch, section 3.2.2), "
    "and would be refused",
    (Rank.RATE_LIMIT, Rank.FORM): "forms of clients over their limit would be read",
    (Rank.RATE_LIMIT, Rank.DECOMPRESSION): "bodies of clients over their limit would be decompressed",
    (Rank.AUTH, Rank.CACHING): "clients without credentials would be answered 304 or 412 "
    "instead of 401 (RFC 9110 section 13.2.1)",
    (Rank.AUTH, Rank.FORM): "forms of clients without credentials would be read",
    (Rank.AUTH, Rank.DECOMPRESSION): "bodies of clients without credentials would be decompressed",
    (Rank.DECOMPRESSION, Rank.FORM): "a form would be read before it is decompressed",
    (Rank.SESSION, Rank.CACHING): "a 304 for an answer that depends on the session "
    "would let shared caches keep it (RFC 9111 section 4.3.4)",
    (Rank.COMPRESSION, Rank.CACHING): "the compressed answer and the plain one "
    "would have the same strong ETag (RFC 9110 section 8.8.1)",
}
_OF_HOSTS = "the latter answers by itself, and what stands behind it may never run"


def check_order(cls: type) -> None:
    """Raise TypeError, with the right order in its message, if the mix-ins of a class are in a wrong order."""
    ranked: list[tuple[type, Rank]] = [(base, vars(base)["mixin_rank"]) for base in _ranked(cls)]
    for place, (late, late_rank) in enumerate(ranked):
        for early, early_rank in ranked[place + 1 :]:
            reason = _OF_HOSTS if late_rank is Rank.HOST > early_rank else _REASONS.get((early_rank, late_rank))
            if reason is not None:
                raise TypeError(
                    f"{cls.__qualname__}: {_named(cls, early)} must stand before {_named(cls, late)}: {reason}. "
                    f"The right order is {_right_order(cls, ranked)}"
                )


def _named(cls: type, base: type) -> str:
    """Return the name that the class's author knows `base` by: of the base listed in the class that brings it."""
    alone = [kind for kind in cls.__mro__ if issubclass(kind, base) and _ranked(kind) == [base]]
    written = [kind for kind in alone if kind in cls.__bases__]
    return (written or alone[-2:])[0].__name__


def _ranked(cls: type) -> list[type]:
    return [base for base in cls.__mro__ if isinstance(vars(base).get("mixin_rank"), Rank)]


def _right_order(cls: type, ranked: list[tuple[type, Rank]]) -> str:
    return ", ".join(dict.fromkeys(_named(cls, base) for base, _ in sorted(ranked, key=lambda pair: pair[1])))
