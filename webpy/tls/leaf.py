"""What a certificate says of itself: names, serial number, dates.

Called in the zygote and the workers, for the server's own certificates.
"""

from __future__ import annotations

import calendar
import ssl
from dataclasses import dataclass

from ..protocol.grammar import MONTHS
from .memoryfile import as_path

__all__ = ["Leaf", "read_leaf"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """The first certificate of a chain.

    names: DNS names in lower case, wildcards as they are; the common name only if it has no alternative names, as
    RFC 6125 section 6.4.4 says. begins_s, expires_s: Unix times.
    """

    names: tuple[str, ...]
    serial: str
    begins_s: float
    expires_s: float


def read_leaf(chain: bytes) -> Leaf:
    """Return what the first certificate in PEM bytes says. Raises ValueError if there is none that can be read."""
    try:
        with as_path(chain) as path:
            # not public, but as old as the module; the public functions give this only for a peer of a handshake
            found = ssl._ssl._test_decode_cert(path)  # type: ignore[attr-defined]
    except OSError as error:  # ssl.SSLError is one
        raise ValueError(str(error)) from None
    alternatives = found.get("subjectAltName", ())
    names = [value for kind, value in alternatives if kind == "DNS"]
    if not alternatives:
        names = [value for part in found["subject"] for key, value in part if key == "commonName"]
    begins_s, expires_s = _unix_time(found["notBefore"]), _unix_time(found["notAfter"])
    return Leaf(tuple(name.lower().rstrip(".") for name in names), found["serialNumber"], begins_s, expires_s)


def _unix_time(text: str) -> float:
    """Return the time of "Nov  2 08:00:00 2026 GMT". `ssl.cert_time_to_seconds` imports a module for it, and a process
    of another user may not be able to."""
    month, day, clock, year, _ = text.split()
    hour, minute, second = clock.split(":")
    parts = (int(year), MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second))
    return float(calendar.timegm(parts))
