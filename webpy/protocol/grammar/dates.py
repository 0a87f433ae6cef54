"""HTTP dates (RFC 9110 section 5.6.7): seconds since the epoch to text, and the reverse. Knows no clock."""

from __future__ import annotations

import calendar
import math
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

__all__ = ["DAYS", "MONTHS", "http_date", "parse_http_date"]

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""English whatever the locale, which strftime's %a and %b would follow."""

_LONG_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_TIME = r"(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9]):(?P<second>[0-5][0-9]|60)"
_MONTH = f"(?P<month>{'|'.join(MONTHS)})"
_FORMATS = tuple(
    re.compile(text, re.ASCII)
    for text in (
        rf"(?:{'|'.join(DAYS)}), (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT",  # IMF-fixdate
        rf"(?:{'|'.join(_LONG_DAYS)}), (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT",  # RFC 850
        rf"(?:{'|'.join(DAYS)}) {_MONTH} (?P<day>[0-9]{{2}}| [0-9]) {_TIME} (?P<year>[0-9]{{4}})",  # asctime
    )
)
"""HTTP-date in its three formats: case-sensitive, and nothing else."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def http_date(seconds: float) -> str:
    """Return the HTTP-date of a time in seconds since the epoch, such as "Sun, 06 Nov 1994 08:49:37 GMT".

    Raises ValueError or OverflowError for a time that is not of the years 1 to 9999.
    """
    return _date_of_second(math.floor(seconds))


@lru_cache(256)
def _date_of_second(second: int) -> str:
    when = _EPOCH + timedelta(seconds=second)
    day = f"{DAYS[when.weekday()]}, {when.day:02} {MONTHS[when.month - 1]} {when.year:04}"
    return f"{day} {when.hour:02}:{when.minute:02}:{when.second:02} GMT"


@lru_cache(256)
def parse_http_date(text: str, this_year: int) -> float | None:
    """Return the seconds since the epoch of an HTTP-date in any of its three formats, or None for any other text.

    A year of two digits is taken for the one that is at most 50 years after `this_year` (RFC 9110 section 5.6.7).
    """
    stripped = text.strip(" \t")
    found = next((found for pattern in _FORMATS if (found := pattern.fullmatch(stripped))), None)
    if found is None:
        return None
    year, month, day = int(found["year"]), MONTHS.index(found["month"]) + 1, int(found["day"])
    if len(found["year"]) == 2:
        year += this_year // 100 * 100
        if year > this_year + 50:
            year -= 100
    if year < 1 or not 1 <= day <= calendar.monthrange(year, month)[1]:
        return None
    return float(calendar.timegm((year, month, day, int(found["hour"]), int(found["minute"]), int(found["second"]))))
