"""Owns the reading of statuses: numbers, and text such as "404 Not Found"."""

from __future__ import annotations

from http import HTTPStatus

from ...protocol import REASONS

__all__ = ["valid_status"]

_MESSAGES = {
    500: "The server encountered an unexpected condition which prevented it from fulfilling the request.",
    503: "The server is currently unable to handle the request due to a temporary overloading or maintenance of "
    "the server.",
}


def valid_status(status: int | str | bytes | None) -> tuple[int, str, str]:
    """Return number, reason phrase and a sentence about a status; None is 200.

    Raises ValueError unless the number is from 100 to 599.
    """
    reason = None
    code: int | str | bytes = status or 200
    if isinstance(code, bytes):
        code = code.decode("latin-1")
    if isinstance(code, str):
        code, _, rest = code.partition(" ")
        reason = rest.strip() or None
    try:
        number = int(code)
    except (TypeError, ValueError):
        raise ValueError(f"Illegal response status from server ({code!r} is non-numeric).") from None
    if not 100 <= number <= 599:
        raise ValueError(f"Illegal response status from server ({number!r} is out of range).")
    try:
        known = HTTPStatus(number)
    except ValueError:
        return number, reason or REASONS.get(number, ""), ""
    return number, reason or known.phrase, _MESSAGES.get(number, known.description)
