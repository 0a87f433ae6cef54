"""Owns the taking apart of multipart bodies into their parts.

They are read by `multipart` (a push parser: bytes in, events out), which looks for the boundary in blocks and not
line by line. What a part's headers mean, and how much of all is taken, is the callers' business: `reading` and
`webpy.objects`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any

from ..framework.errors import HTTPError

__all__ = ["multipart_events"]


def multipart_events(
    pieces: Iterable[bytes], boundary: bytes, *, max_headers: int, max_header_bytes: int, any_type: bool = False
) -> Iterator[Any]:
    """For each part of a multipart body an object with its `headerlist`, its content as bytes, and None at its end.

    pieces: the body; max_headers: of a part, of `max_header_bytes` each. Names and values of headers are latin-1, so
    that every byte is kept. any_type: parts need not be of multipart/form-data; else the object has `name`, `filename`,
    `content_type` and `charset` too. Raises HTTPError 400 for what is broken; ImportError without the parser.
    """
    library = _library()
    parser = (_class_for_any(library) if any_type else library.PushMultipartParser)(
        boundary,
        max_header_size=max_header_bytes,
        max_header_count=max_headers,
        max_segment_size=float("inf"),
        max_segment_count=float("inf"),
        header_charset="latin-1",
    )
    try:
        for piece in pieces:  # all of it: what follows the last boundary says nothing (RFC 2046 section 5.1.1)
            if not parser.closed:
                yield from parser.parse(piece)
        parser.close()
    except library.ParserLimitReached:
        most = f"{max_headers} lines of {max_header_bytes} bytes"
        raise HTTPError(400, f"multipart: the headers of a part may have {most}, got more\n") from None
    except library.MultipartError as error:
        raise HTTPError(400, f"multipart: {ascii(str(error))[1:-1][:200]}\n") from None


class _Part:
    """A part whose headers nobody has read."""

    def __init__(self, headerlist: list[tuple[str, str]]) -> None:
        self.headerlist = headerlist
        self.bytes_received = 0
        self.complete = False


@functools.cache
def _class_for_any(library: Any) -> Any:
    class Parser(library.PushMultipartParser):  # type: ignore[misc]
        def _create_segment(self, headerlist: list[tuple[str, str]]) -> _Part:
            """To be overridden for other types than multipart/form-data, as the library says."""
            return _Part(headerlist)

    return Parser


def _library() -> Any:
    """The parser: `multipart` of PyPI, not `python-multipart`, which is imported by the same name in old releases."""
    hint = "multipart/form-data needs a parser: pip install 'webpy[form]'"
    try:
        import multipart  # type: ignore[import-untyped]
    except ImportError:
        raise ImportError(hint) from None
    if not hasattr(getattr(multipart, "PushMultipartParser", None), "_create_segment"):
        raise ImportError(f"{multipart.__file__} is another program, or an older release: {hint}")
    return multipart
