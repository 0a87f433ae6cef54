"""Formats figures and untrusted text for a terminal: durations, sizes, counts, lines without control characters.

Pure functions. Used by `webpy ctl` and its live view.
"""

from __future__ import annotations

__all__ = ["age", "count", "one_line", "printable", "seconds", "size"]

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


def age(duration_s: float | None) -> str:
    """Return a duration in at most two units: 0.4s, 12s, 3m 20s, 5h 02m, 12d 3h; - for None."""
    if duration_s is None:
        return "-"
    whole_s = int(duration_s)
    if duration_s < 10:
        return f"{max(0.0, duration_s):.1f}s"
    if whole_s < _MINUTE_S:
        return f"{whole_s}s"
    if whole_s < _HOUR_S:
        return f"{whole_s // _MINUTE_S}m {whole_s % _MINUTE_S:02}s"
    if whole_s < _DAY_S:
        return f"{whole_s // _HOUR_S}h {whole_s % _HOUR_S // _MINUTE_S:02}m"
    return f"{whole_s // _DAY_S}d {whole_s % _DAY_S // _HOUR_S}h"


def seconds(duration_s: float | None) -> str:
    """Return a latency: 85 µs, 4.2 ms, 1.3 s; - for None."""
    if duration_s is None:
        return "-"
    if duration_s < 0.001:
        return f"{duration_s * 1e6:.0f} µs"
    if duration_s < 1:
        return f"{duration_s * 1e3:.3g} ms" if duration_s < 0.9995 else "1 s"
    return f"{duration_s:.3g} s" if duration_s < 1000 else f"{duration_s:.0f} s"


def size(number_bytes: float) -> str:
    """Return a number of bytes: 812, 3.4K, 120M, 1.2G, in powers of 1024."""
    return _scaled(number_bytes, 1024.0)


def count(number: float) -> str:
    """Return a number: 812, 3.4k, 120M."""
    return _scaled(number, 1000.0).replace("K", "k")


def _scaled(number: float, step: float) -> str:
    value = float(number)
    for unit in ("", "K", "M", "G", "T"):
        if value < 999.5 or unit == "T":
            break
        value /= step
    if not unit:
        return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"
    return f"{value:.0f}{unit}" if value >= 9.95 else f"{value:.1f}{unit}"


def printable(text: str) -> str:
    """Return text of several lines without control characters, which a terminal would obey."""
    return "".join(character if character.isprintable() or character in "\n\t" else "\ufffd" for character in text)


def one_line(text: str) -> str:
    """Return `printable(text)` on one line."""
    return " ".join(printable(text).split())
