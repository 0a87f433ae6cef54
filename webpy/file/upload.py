"""Changes files so that no reader ever sees half of one: the new content is written apart, then renamed into place.

New content is a file without a name in the same directory (O_TMPFILE) until it is complete, so that an error or the end
of the process leaves nothing behind. A file that replaces another is called `.webpy-put` for the moment before it is
renamed, and on file systems without such unnamed files also while it is written; the next change removes what a killed
process left under that name.

The directory is locked (flock) while conditions are checked and the file is changed, so that of two conditional changes
one sees the other's. The lock works between threads, workers, generations and other programs that use it, and ends with
its holder. Knows no HTTP; called on the threads of requests.
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
_NAPS_S = (0.001, 0.02)  # the first nap between two tries, and the longest: each is twice as long as the one before
_PIECE_BYTES = 1 << 20

#: errors of open(2) with O_TMPFILE on file systems that do not have it
_NO_UNNAMED = {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL}


@contextlib.contextmanager
def lock(directory: int, timeout_s: float) -> Iterator[None]:
    """Hold the lock of the directory, a descriptor that no other thread uses. Raises TimeoutError after `timeout_s`."""
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
    """Give the descriptor of a new unnamed file in the directory, with the content of `source` written to the disk.

    It is None if the file system has no unnamed files. Raises OSError.
    """
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
    with open(fd, "wb", closefd=False) as file:  # buffered: it continues after a write that wrote only a part
        shutil.copyfileobj(source, file, _PIECE_BYTES)
    os.fsync(fd)


def put_in_place(
    directory: int, name: bytes, new: int | None, source: IO[bytes], before: os.stat_result | None
) -> os.stat_result:
    """Give the new file its name, with the directory locked; return its status.

    new: from `open_new`; source: the content, used if `new` is None; before: the status of the file that is replaced,
    whose permissions are kept, None for a new one. Once it has returned, the change survives a power loss. Raises
    OSError, and FileExistsError if a program without the lock has made a file of that name.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_TEMPORARY, dir_fd=directory)  # left by a process that was killed, as we have the lock
    named = None
    try:
        if new is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            new = named = os.open(_TEMPORARY, flags, 0o666, dir_fd=directory)
            _fill(new, source)
        if before is not None:
            os.fchmod(new, stat.S_IMODE(before.st_mode) & 0o777)
        if named is None:  # link() does not overwrite a file that another program makes now, without the lock
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
