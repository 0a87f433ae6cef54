"""The directory of a store of files: its layout, its locks, what is in a file.

Owns everything on the disk, and turns its errors into StoreError. Knows no methods of a mapping; `file` calls it, from
any thread.

    DIR/webpy-store        marks the directory as a store
    DIR/3f/3f79bb7b…       the key with this SHA-256: a line, the key, the value
    DIR/3f/new             a file that is being written; then it is renamed

A writer holds `flock` on the folder of two digits; the kernel frees it if the writer is killed. Readers take no lock:
they see the file as it was before the rename, or after it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ..atfork import AtFork
from .base import StoreError, StoreTimeout, now_ms

__all__ = ["Directory", "Entry", "digest_of"]

_MARK = "webpy-store"
_LAYOUT = b"webpy store of files, layout 1\n"
_NEW = "new"
_FOLDERS = [f"{number:02x}" for number in range(256)]
_NAME = re.compile(r"[0-9a-f]{64}")
_HEAD = re.compile(rb"(\d{1,16}) (\d{1,16})\n")  # the end, 0 for none; the length of the key in bytes
_MAX_HEAD_BYTES = 34
_CHECKED_PER_WRITE = 2
_FIRST_NAP_S = 0.00005
_MAX_NAP_S = 0.002


@dataclass(frozen=True, slots=True)
class Entry:
    """The content of a file: a key, its value, and the end of its lifetime in ms since 1970, None if it has none."""

    name: bytes
    value: bytes
    end_ms: int | None

    def is_over(self) -> bool:
        """Return True if its lifetime has ended."""
        return self.end_ms is not None and self.end_ms <= now_ms()


def digest_of(name: bytes) -> str:
    """Return the SHA-256 of a key, which is the name of its file."""
    return hashlib.sha256(name).hexdigest()


class Directory(AtFork):
    """Reads and changes the files in `path`, an absolute path.

    Raises, when made and when used: FileNotFoundError if there is no directory to make it in, StoreError if something
    else is in its place.
    """

    def __init__(self, path: str, *, timeout_s: float, durable: bool) -> None:
        self.path = path
        self.timeout_s = timeout_s
        self.durable = durable
        self._ready = False
        self._closed = False
        self._turn = random.randrange(len(_FOLDERS))
        self._unlooked: list[str] = []
        self._locked: set[int] = set()  # descriptors of folders whose locks this process holds
        if not os.path.isdir(parent := os.path.dirname(path)):
            raise FileNotFoundError(f"store {path!r}: there is no directory {parent!r}")
        with suppress(FileNotFoundError):
            if not stat.S_ISDIR(mode := os.lstat(path).st_mode):
                raise StoreError(f"store {path!r}: wanted a directory, found mode {stat.filemode(mode)}")
        super().__init__()

    def after_fork_in_child(self) -> None:
        """Close the child's copies of locked descriptors: a lock lasts until the last copy is closed."""
        while self._locked:
            os.close(self._locked.pop())

    def close(self) -> None:
        """Refuse any later use."""
        self._closed = True

    # Reading

    def read(self, digest: str, *, value: bool = True) -> Entry | None:
        """Return the entry in the file, None if there is none or its lifetime has ended. value: read that too."""
        self._prepare()
        entry = self._read(digest, value)
        return None if entry is None or entry.is_over() else entry

    def digests(self) -> Iterator[str]:
        """Yield the digests of all files, in no order."""
        self._prepare()
        with self._errors():
            there = set(os.listdir(self.path))
        for folder_name in _FOLDERS:
            if folder_name in there:
                yield from self._digests_in(folder_name)

    def _read(self, digest: str, value: bool) -> Entry | None:
        path = f"{self.path}/{digest[:2]}/{digest}"
        try:
            with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                head = _HEAD.fullmatch(file.readline(_MAX_HEAD_BYTES))
                if head is None:
                    raise StoreError(f"store {self.path!r}: {path!r} is not one of its files")
                return Entry(file.read(int(head[2])), file.read() if value else b"", int(head[1]) or None)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"store {self.path!r}: {error}") from error

    def _digests_in(self, folder_name: str) -> list[str]:
        with self._errors(), suppress(FileNotFoundError):
            return [name for name in os.listdir(f"{self.path}/{folder_name}") if _NAME.fullmatch(name)]
        return []

    # Changing, by one writer of a folder at a time

    @contextmanager
    def locked(self, digest: str) -> Iterator[int]:
        """Lock the folder of `digest`; give its descriptor for `put` and `remove`. Raises StoreTimeout, StoreError."""
        self._prepare()
        with suppress(FileExistsError), self._errors():
            os.mkdir(f"{self.path}/{digest[:2]}", 0o700)
        with self._held(digest[:2]) as folder:
            yield folder
        self._purge_some()

    def put(self, folder: int, digest: str, entry: Entry) -> None:
        """Write the entry into the locked folder, in place of an earlier one. Raises OSError."""
        self._write(folder, digest, b"%d %d\n%b%b" % (entry.end_ms or 0, len(entry.name), entry.name, entry.value))

    def remove(self, folder: int, digest: str) -> None:
        """Delete the file from the locked folder. Raises OSError."""
        os.unlink(digest, dir_fd=folder)
        if self.durable:
            os.fsync(folder)

    def _write(self, folder: int, file_name: str, content: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW  # a killed process may have left one
        try:
            with open(os.open(_NEW, flags, 0o600, dir_fd=folder), "wb") as file:
                file.write(content)
                if self.durable:
                    file.flush()
                    os.fsync(file)
            os.rename(_NEW, file_name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            with suppress(OSError):
                os.unlink(_NEW, dir_fd=folder)
            raise
        if self.durable:
            os.fsync(folder)

    # What has expired

    def drop_if_over(self, digest: str) -> bool:
        """Delete the file if its lifetime has ended; return True if it did."""
        entry = self._read(digest, False)
        if entry is None or not entry.is_over():
            return False
        with self._held(digest[:2]) as folder:
            entry = self._read(digest, False)
            if entry is None or not entry.is_over():
                return False
            self.remove(folder, digest)
            return True

    def _purge_some(self) -> None:
        """Check a few files, the next time others, and delete those whose lifetime has ended."""
        with suppress(StoreError, IndexError):  # the write itself is done; IndexError: another thread took the last one
            if not self._unlooked:
                self._turn = (self._turn + 1) % len(_FOLDERS)
                self._unlooked = self._digests_in(_FOLDERS[self._turn])
            for _ in range(_CHECKED_PER_WRITE):
                self.drop_if_over(self._unlooked.pop())

    # The directory and its locks

    def _prepare(self) -> None:
        if self._closed:
            raise ValueError(f"store {self.path!r} is closed")
        if self._ready:
            return
        with suppress(FileExistsError), self._errors():
            os.mkdir(self.path, 0o700)
        with self._held("") as folder:
            entries = set(os.listdir(folder))
            if not entries - {_NEW}:
                self._write(folder, _MARK, _LAYOUT)
            elif _MARK not in entries:
                raise StoreError(f"store {self.path!r}: is another program's; wanted a store or no directory")
            with open(os.open(_MARK, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder), "rb") as file:
                if (found := file.read(100)) != _LAYOUT:
                    raise StoreError(f"store {self.path!r}: {_MARK} says {found!r}; wanted {_LAYOUT!r}")
        self._ready = True

    @contextmanager
    def _held(self, folder_name: str) -> Iterator[int]:
        """Open a folder and lock it; give its descriptor."""
        with self._errors():
            folder = os.open(f"{self.path}/{folder_name}", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            self._locked.add(folder)
            try:
                self._lock(folder)
                yield folder
                fcntl.flock(folder, fcntl.LOCK_UN)  # closing is not enough: a child forked meanwhile may have it open
            finally:
                self._locked.discard(folder)
                os.close(folder)

    def _lock(self, folder: int) -> None:
        deadline = time.monotonic() + self.timeout_s
        nap_s = _FIRST_NAP_S
        while True:
            with suppress(BlockingIOError):
                return fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.monotonic() >= deadline:
                raise StoreTimeout(f"store {self.path!r}: kept busy by others for {self.timeout_s} s")
            time.sleep(nap_s * random.uniform(0.5, 1.5))
            nap_s = min(nap_s * 2, _MAX_NAP_S)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (StoreError, FileExistsError):
            raise
        except OSError as error:
            raise StoreError(f"store {self.path!r}: {error}") from error
