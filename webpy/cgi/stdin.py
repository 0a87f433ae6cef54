"""Owns the file that a script has as its standard input: the request's body.

It is a file, not a pipe, so that the script can read at its own pace and nobody has to feed it. The worker has received
the body, in memory or in a temporary file, before the handler runs.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import IO

from ..framework.request import Request

__all__ = ["open_body"]

_COPY_BYTES = 1 << 16


@contextlib.contextmanager
def open_body(request: Request, owner: tuple[int, int] | None) -> Iterator[tuple[int, int | None]]:
    """A context manager: a descriptor to read the body from, and its length in bytes, None if the request has no body.

    owner: the user and group that may open it again, as `/dev/stdin`. Raises OSError if the body cannot be stored, and
    what reading it raises.
    """
    head = request.head
    with contextlib.ExitStack() as files:
        if not head.chunked and not head.content_length:
            yield files.enter_context(open(os.devnull, "rb")).fileno(), head.content_length
            return
        file = _own_file(request)
        if file is None:
            file = files.enter_context(_new_file())
            shutil.copyfileobj(request.rfile, file, _COPY_BYTES)
            file.seek(0)
        place = file.tell()
        fd = file.fileno()
        os.lseek(fd, place, os.SEEK_SET)  # the file object's buffer may have read ahead
        if owner is not None:
            os.fchown(fd, *owner)
        yield fd, os.fstat(fd).st_size - place


def _own_file(request: Request) -> IO[bytes] | None:
    """Return the file that a long body is in already; None for a short one."""
    try:
        request.rfile.fileno()
    except io.UnsupportedOperation:
        return None
    return request.rfile


def _new_file() -> IO[bytes]:
    if hasattr(os, "memfd_create"):
        with contextlib.suppress(OSError):
            return open(os.memfd_create("body"), "w+b")
    return tempfile.TemporaryFile()
