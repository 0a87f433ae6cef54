"""What an application can take on while it runs, without a reload, such as new certificates.

Owns how the content travels: in a file without a name, which cannot be changed once it is written. Each process gets a
descriptor of it in a RENEW message. So workers that may not read the original files need no rights, and no process
needs a file system. Knows nothing of what the content is. `renewals` says who gets it and when.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import Any, Protocol

__all__ = ["Facts", "Renewable", "content_file", "read_content"]

Facts = dict[str, Any]
"""What an application says of its content, as JSON takes it, for the status."""

_NAME = "renewal"


class Renewable(Protocol):
    """What an application that takes new content offers as its attribute `renewable`; without it, it takes none."""

    name: str
    """What the content is, in the plural, for the log: "certificates"."""

    def changed(self, *, settled: bool) -> bytes | None:
        """Return the content as it is now, None if it is as it was when this was called last (in the master, about once
        a second if `Config.watches` says so).

        settled: whether a change counts only once it has lasted until the next call, as it may still be under way.
        Raises OSError or ValueError if the content cannot be read, once for each change; the text says which part.
        """

    def content(self) -> bytes:
        """Return the content that zygotes which are forked now load (in the master)."""

    def keep(self, content: bytes) -> None:
        """Have zygotes that are forked from now on load this content (in the master)."""

    def take(self, content: bytes) -> None:
        """Use this content from now on (in a zygote or a worker). Raises ValueError if it cannot be used; then nothing
        has changed."""

    def facts(self) -> Facts:
        """Return what the status says of the content in use (in the zygote)."""

    def warnings(self, facts: Facts) -> list[str]:
        """Return what the error log is to warn of, a line each; a line that was logged before is not logged again (in
        the master, now and then). `facts` come from a zygote and may be anything; this must not raise."""


def content_file(content: bytes) -> int:
    """Return the descriptor of a new file that holds `content`, for reading only where the system can do that. Raises
    OSError."""
    if not hasattr(os, "memfd_create"):
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.flush()
            return os.dup(file.fileno())
    import fcntl

    descriptor = os.memfd_create(_NAME, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(descriptor, "wb", buffering=0, closefd=False) as writer:
            written = 0
            while written < len(content):
                written += writer.write(content[written:])
        seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_content(descriptor: int) -> bytes:
    """Return what `content_file` was given, and close the descriptor. Raises OSError."""
    pieces = []
    offset = 0
    try:
        while piece := os.pread(descriptor, 1 << 20, offset):  # the offset of `read` is shared by all processes
            pieces.append(piece)
            offset += len(piece)
    finally:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    return b"".join(pieces)
