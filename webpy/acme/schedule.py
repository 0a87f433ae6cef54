"""When a certificate is renewed, and how long to wait after an order that failed. Numbers in, numbers out: no clock."""

from __future__ import annotations

from .failures import Failure, OrderError

__all__ = ["pause_s", "renewal_time_s"]

_RENEW_AT = 2 / 3  # of the lifetime: what Let's Encrypt recommends, and certbot does
_SPREAD = 1 / 20  # of the lifetime: servers that began together do not all come back together

_FIRST_S = {
    Failure.UNREACHABLE: 2.0,
    Failure.REFUSED: 120.0,  # Let's Encrypt allows 5 failed authorizations of a name in an hour
    Failure.LIMITED: 3600.0,
    Failure.UNWRITABLE: 2.0,
}
_LONGEST_S = {
    Failure.UNREACHABLE: 3600.0,
    Failure.REFUSED: 6 * 3600.0,
    Failure.LIMITED: 24 * 3600.0,
    Failure.UNWRITABLE: 600.0,
}
_LONGEST_ASKED_S = 7 * 24 * 3600.0  # Let's Encrypt's longest limit is one week; more is taken for a mistake
_JITTER = 0.2


def renewal_time_s(begins_s: float, expires_s: float, chance: float) -> float:
    """Return when to renew a certificate that is valid from `begins_s` to `expires_s` (Unix times): at two thirds of
    that time, a bit earlier or later by `chance`, which is 0 to 1."""
    return begins_s + (expires_s - begins_s) * (_RENEW_AT + _SPREAD * (chance - 0.5))


def pause_s(error: OrderError, failures: int, chance: float) -> float:
    """Return for how many seconds to wait after `error`, the last of `failures` in a row; `chance`, 0 to 1, makes it
    up to a fifth longer. Never less than what the directory asked for."""
    if error.retry_after_s:
        asked_s = min(error.retry_after_s, _LONGEST_ASKED_S)
        return asked_s * (1 + _JITTER * chance)
    doubled_s = _FIRST_S[error.failure] * 2.0 ** min(failures - 1, 30)
    return min(doubled_s, _LONGEST_S[error.failure]) * (1 + _JITTER * chance)
