"""Owns the changing of files so that nobody ever sees half of one: written apart, then renamed over what was there.

A new content is an unnamed file of the same directory until it is whole (O_TMPFILE), so one that is given up, by an
error or by the end of the process, leaves nothing. One that replaces another is called `.webpy-put` for the moment
before it is renamed, and where the file system has no unnamed files while it is written; whoever comes next removes
what a killed process left under that name.

The directory is locked (flock) while conditions are looked at and acted on, so that of two conditional changes one sees
the other's. The lock holds across threads, workers, generations and other programs that take it, and ends with its
holder. Knows no HTTP.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import time
from collections.abc import Iterator
from typing import IO

__all__ = ["lock", "open_new", "put_in_place"]

_TEMPORARY = b".webpy-put"
_NAPS_S = (0.001, 0.02)  # between two tries, and the longest: a nap doubles until then
_PIECE_BYTES = 1 << 20

_NO_UNNAMED = {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL}  # what open(2) gives for O_TMPFILE then


@contextlib.contextmanager
def lock(directory: int, timeout_s: float) -> Iterator[None]:
    """Have the directory (a descriptor of one's own) for oneself. Raises TimeoutError."""
    deadline_s = time.monotonic() + timeout_s
    nap_s, longest_s = _NAPS_S
    while True:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= deadline_s:
                raise TimeoutError(f"others changed the directory for {timeout_s:g} s") from None
            time.sleep(nap_s)
            nap_s = min(2 * nap_s, longest_s)
    try:
        yield
    finally:
        fcntl.flock(directory, fcntl.LOCK_UN)


@contextlib.contextmanager
def open_new(directory: int, source: IO[bytes]) -> Iterator[int | None]:
    """A new unnamed file of the directory with all that `source` gives, on the disk; None where there are none."""
    flags = getattr(os, "O_TMPFILE", 0)
    fd = None
    try:
        if flags:
            fd = os.open(b".", flags | os.O_WRONLY | os.O_CLOEXEC, 0o666, dir_fd=directory)
    except OSError as error:
        if error.errno not in _NO_UNNAMED:
            raise
    try:
        if fd is not None:
            _fill(fd, source)
        yield fd
    finally:
        if fd is not None:
            os.close(fd)


def _fill(fd: int, source: IO[bytes]) -> None:
    with open(fd, "wb", closefd=False) as file:  # buffered: it goes on after a write that took a part only
        shutil.copyfileobj(source, file, _PIECE_BYTES)
    os.fsync(fd)


def put_in_place(
    directory: int, name: bytes, new: int | None, source: IO[bytes], before: os.stat_result | None
) -> os.stat_result:
    """Make the new file what is called `name` (with the directory locked): its status.

    new: of `open_new`; source: the content, if that is None; before: the file that is replaced, whose permissions are
    kept. Survives a power loss once it has returned.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_TEMPORARY, dir_fd=directory)  # of a process that was killed: the lock is ours
    named = None
    try:
        if new is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            new = named = os.open(_TEMPORARY, flags, 0o666, dir_fd=directory)
            _fill(new, source)
        if before is not None:
            os.fchmod(new, stat.S_IMODE(before.st_mode) & 0o777)
        if named is None:  # who makes one of that name now, without the lock, is not overwritten
            place = name if before is None else _TEMPORARY
            os.link(b"/proc/self/fd/%d" % new, place, dst_dir_fd=directory, follow_symlinks=True)
        if named is not None or before is not None:
            os.rename(_TEMPORARY, name, src_dir_fd=directory, dst_dir_fd=directory)
        status = os.fstat(new)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(_TEMPORARY, dir_fd=directory)
        raise
    finally:
        if named is not None:
            os.close(named)
    os.fsync(directory)
    return status
