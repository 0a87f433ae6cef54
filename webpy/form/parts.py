"""Splits multipart bodies into their parts.

They are parsed by the package `multipart` (a push parser: bytes in, events out), which searches the boundary in blocks
and not line by line. The callers, `reading` and `webpy.objects`, interpret the headers of parts and limit what is
accepted.
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
    """Yield, for each part of a multipart body, an object with its `headerlist`, its content as bytes, None at its end.

    pieces: the body; max_headers: the number of headers of a part, each of at most `max_header_bytes`. Names and values
    of headers are latin-1, so that every byte is kept. any_type: the body need not be multipart/form-data; otherwise
    the object has `name`, `filename`, `content_type` and `charset` too. Raises HTTPError 400 for a malformed body, and
    ImportError without the parser.
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
        for piece in pieces:  # all of them: what follows the last boundary is ignored (RFC 2046 section 5.1.1)
            if not parser.closed:
                yield from parser.parse(piece)
        parser.close()
    except library.ParserLimitReached:
        wanted = f"{max_headers} lines of {max_header_bytes} bytes"
        raise HTTPError(400, f"multipart: the headers of a part may have {wanted}, got more\n") from None
    except library.MultipartError as error:
        raise HTTPError(400, f"multipart: {ascii(str(error))[1:-1][:200]}\n") from None


class _Part:
    """A part whose headers have not been interpreted."""

    def __init__(self, headerlist: list[tuple[str, str]]) -> None:
        self.headerlist = headerlist
        self.bytes_received = 0
        self.complete = False


@functools.cache
def _class_for_any(library: Any) -> Any:
    class Parser(library.PushMultipartParser):  # type: ignore[misc]
        def _create_segment(self, headerlist: list[tuple[str, str]]) -> _Part:
            """Make the object of a part: overridden for other types than multipart/form-data, as the library allows."""
            return _Part(headerlist)

    return Parser


def _library() -> Any:
    """Import the parser: `multipart` of PyPI, not `python-multipart`, whose old releases have the same import name.

    Raises ImportError, which says what to install.
    """
    hint = "multipart/form-data needs a parser: pip install 'webpy[form]'"
    try:
        import multipart  # type: ignore[import-untyped]
    except ImportError:
        raise ImportError(hint) from None
    if not hasattr(getattr(multipart, "PushMultipartParser", None), "_create_segment"):
        raise ImportError(f"{multipart.__file__} is another program, or an older release: {hint}")
    return multipart
