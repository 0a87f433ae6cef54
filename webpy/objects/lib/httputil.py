"""CherryPy's `lib.httputil`: its names for fields, dates, statuses and paths."""

from __future__ import annotations

from ..messages.fields import AcceptElement, HeaderElement, HeaderMap, Host, decode_text, header_elements
from ..messages.fields import http_date as HTTPDate
from ..messages.parameters import parse_query_string
from ..messages.status import valid_status
from ..messages.urls import join as urljoin

__all__ = [
    "AcceptElement",
    "HTTPDate",
    "HeaderElement",
    "HeaderMap",
    "Host",
    "decode_TEXT",
    "get_ranges",
    "header_elements",
    "parse_query_string",
    "protocol_from_http",
    "urljoin",
    "valid_status",
]

decode_TEXT = decode_text


def protocol_from_http(protocol: str) -> tuple[int, int]:
    """Return (1, 1) for "HTTP/1.1"."""
    return int(protocol[5]), int(protocol[7])


def get_ranges(headervalue: str | None, content_length: int) -> list[tuple[int, int]] | None:
    """Return the ranges that a Range field asks for, as (first, last + 1); None if the field is to be ignored."""
    if not headervalue:
        return None
    ranges = []
    _, _, wanted = headervalue.partition("=")
    for part in wanted.split(","):
        start, _, stop = (half.strip() for half in part.partition("-"))
        if start:
            first, last = int(start), int(stop) if stop else content_length - 1
            if first >= content_length:
                continue
            if last < first:
                return None
            ranges.append((first, last + 1))
        elif stop:
            ranges.append((max(0, content_length - int(stop)), content_length))
        else:
            return None
    return ranges
