"""Bytes as a path: OpenSSL reads certificates and keys from files only, and ours come from the master."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator

__all__ = ["as_path"]


@contextlib.contextmanager
def as_path(content: bytes) -> Iterator[str]:
    """Yield the path of a file that holds `content`, in memory where the system can do that. Raises OSError."""
    if hasattr(os, "memfd_create"):
        with open(os.memfd_create("pem", os.MFD_CLOEXEC), "wb", buffering=0) as file:
            file.write(content)
            path = f"/proc/self/fd/{file.fileno()}"
            if os.path.exists(path):
                yield path
                return
    with tempfile.NamedTemporaryFile("wb", prefix="webpy-") as named:  # of mode 600
        named.write(content)
        named.flush()
        yield named.name
