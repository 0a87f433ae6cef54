"""When certificates expire, in words: what the error log warns of. Pure functions; called in the master."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["days_left", "expiry_warnings", "first_expiries"]

_DAY_S = 86400.0
_WARN_DAYS = 14
_LAST_PART = 0.25  # of a lifetime: certificates of a few days are renewed at two thirds of it
_MAX_LINES = 20
_MAX_NAME = 255


def first_expiries(facts: Any) -> dict[str, float]:
    """Return the first name of each certificate, "" for one without, and when it expires (Unix time); of several with
    the same first name, the first to expire.

    facts: as `Certificates.facts` returns them. They have gone through processes that run the application, so anything
    else in them is left out.
    """
    return {name: expires_s for name, (expires_s, _) in _first_to_expire(facts).items()}


def _first_to_expire(facts: Any) -> dict[str, tuple[float, float]]:
    """As `first_expiries`, and beside it since when that is to be warned of."""
    listed = facts.get("certificates") if isinstance(facts, dict) else None
    found: dict[str, tuple[float, float]] = {}
    for each in listed if isinstance(listed, list) else ():
        if not isinstance(each, dict):
            continue
        names, expires_s = each.get("names"), each.get("expires_s")
        name = names[0] if isinstance(names, list) and names and isinstance(names[0], str) else ""
        if isinstance(expires_s, (int, float)) and math.isfinite(expires_s):
            begins_s, last_s = each.get("begins_s"), _WARN_DAYS * _DAY_S
            if isinstance(begins_s, (int, float)) and math.isfinite(begins_s):
                last_s = min(last_s, (expires_s - begins_s) * _LAST_PART)
            warned_s = expires_s - last_s
            name = name[:_MAX_NAME]
            found[name] = min((float(expires_s), warned_s), found.get(name, (math.inf, math.inf)))
    return found


def days_left(expires_s: float, now_s: float) -> int:
    """Return how many whole days a certificate is still valid; negative once it has expired."""
    return math.floor((expires_s - now_s) / _DAY_S)


def expiry_warnings(facts: Any, now_s: float) -> list[str]:
    """Return a line for each certificate that expires within 14 days and has a quarter of its lifetime left at most, or
    has expired; it is the same all day."""
    lines = []
    for name, (expires_s, warned_s) in _first_to_expire(facts).items():
        days = days_left(expires_s, now_s)
        what = f"the certificate of {name}" if name else "a certificate"
        if days < 0:
            lines.append(f"{what} has expired")
        elif now_s > warned_s:
            when = "in less than a day" if not days else f"in {days} day{'s' if days != 1 else ''}"
            lines.append(f"{what} expires {when}")
    return lines[:_MAX_LINES]
