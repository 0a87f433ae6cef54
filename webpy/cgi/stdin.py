"""A request's body as a file that a script has as its standard input.

Owns the choice of file. A file, never a pipe: the script reads at its own pace, whatever it writes meanwhile, and
nobody has to feed it. The worker has gathered the body, in memory or in a temporary file, before the handler runs.
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
    """Give a descriptor to read the body from, and its length in bytes, None when the request has no body.

    owner: the user and group that may open it anew, as `/dev/stdin`. Raises OSError when it cannot be stored, and
    whatever reading the body raises.
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
        os.lseek(fd, place, os.SEEK_SET)  # a buffer may have read ahead
        if owner is not None:
            os.fchown(fd, *owner)
        yield fd, os.fstat(fd).st_size - place


def _own_file(request: Request) -> IO[bytes] | None:
    """The file that the body is in already, if it is a long one."""
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
