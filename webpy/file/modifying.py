"""Owns the handler with which clients change files: PUT and DELETE (RFC 9110 sections 9.3.4, 9.3.5)."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..conditional import evaluate
from ..framework.errors import HTTPError
from .handlers import PathHandler
from .names import local_name
from .opening import refusal
from .representation import etag_of, validators_of
from .upload import lock, open_new, put_in_place

if TYPE_CHECKING:
    from ..framework.response import Result

__all__ = ["ModifyPathHandler"]

_LOCK_TIMEOUT_S = 10.0  # the lock is held for a rename and an fsync

_STATUSES = {
    errno.EROFS: 403,
    errno.ETXTBSY: 403,
    errno.EFBIG: 413,
    errno.ENOSPC: 507,
    errno.EDQUOT: 507,
    errno.EISDIR: 409,
    errno.EEXIST: 409,
}


class ModifyPathHandler(PathHandler):
    """A `PathHandler` that also takes PUT and DELETE of regular files.

    PUT answers 201 for a new file and 204 for a replaced one, with its ETag. Checking If-Match and If-None-Match (`*`
    to make new files only) and changing the file are one atomic step, across all workers. Readers see the old file or
    the new one, and an upload that breaks off leaves nothing behind. Anything but a regular file (a directory, a link)
    is answered with 409, and so is a PUT into a directory that does not exist: directories are neither made nor
    removed. The setting `max_body` (1 MB) limits bodies. If others keep the directory locked for 10 s, the answer is
    503.
    """

    def check_continue(self) -> bool | None:
        """Refuse a PUT that cannot succeed before its body is sent. Raises HTTPError; a login was asked for before."""
        if super().check_continue() is False:
            return False
        if self.request.method == "PUT":
            self._check_put()
            with self._refusals(), self._parent() as (directory, name):
                self._check(directory, name)
        return True

    def do_put(self) -> Result:
        """Make the body the file's content: 201 or 204. Raises HTTPError."""
        self._check_put()
        with self._refusals(), self._parent() as (directory, name):
            self._check(directory, name)  # refuses early, before the body is copied; what counts is the check below
            source = self.request.rfile
            with open_new(directory, source) as new, lock(directory, _LOCK_TIMEOUT_S):
                before = self._check(directory, name)
                status = put_in_place(directory, name, new, source, before)
        self.response.headers.set("ETag", etag_of(status))
        return 201 if before is None else 204, None

    def do_delete(self) -> Result:
        """Delete the file: 204. Raises HTTPError."""
        with self._refusals(), self._parent() as (directory, name), lock(directory, _LOCK_TIMEOUT_S):
            self._check(directory, name)
            os.unlink(name, dir_fd=directory)
        return 204, None

    def _check_put(self) -> None:
        headers = self.request.headers
        if "Content-Range" in headers:  # RFC 9110 section 14.5
            raise HTTPError(400, "PUT takes a whole file, and no Content-Range\n")
        coding = headers.get("Content-Encoding", "identity")
        if coding and coding.lower() != "identity":  # RFC 9110 section 8.4
            raise HTTPError(415, "PUT takes no Content-Encoding\n", {"Accept-Encoding": "identity"})

    def _check(self, directory: int, name: bytes) -> os.stat_result | None:
        """Return the status of the regular file `name`, None if it does not exist.

        Raises HTTPError: 409 if it is anything else, 412 if a condition is false, 404 if there is nothing to delete.
        """
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            status = None
        if status is not None and not stat.S_ISREG(status.st_mode):
            raise HTTPError(409, "Only regular files can be changed\n")
        if status is None and self.request.method == "DELETE":
            raise HTTPError(404)
        validators = None if status is None else validators_of(status)
        if evaluate(self.request.method, self.request.headers, validators) is not None:
            raise HTTPError(412)
        return status

    @contextlib.contextmanager
    def _parent(self) -> Iterator[tuple[int, bytes]]:
        """Open the directory of the file that the request names; give its descriptor and the file's name in it."""
        path = local_name(self.below or "/")
        if path is None:
            raise HTTPError(404)
        parent, _, name = path.rpartition(b"/")
        if not name:
            raise HTTPError(409, "A directory cannot be changed\n")
        is_put = self.request.method == "PUT"
        try:
            directory, status = self.tree.open(self.tree.path(parent))
        except (FileNotFoundError, NotADirectoryError):
            raise HTTPError(409 if is_put else 404, "There is no such directory\n" if is_put else None) from None
        try:
            if not stat.S_ISDIR(status.st_mode):
                raise HTTPError(409 if is_put else 404)
            yield directory, name
        finally:
            os.close(directory)

    @contextlib.contextmanager
    def _refusals(self) -> Iterator[None]:
        """Turn errors of the file system into answers: raises HTTPError instead of them."""
        try:
            yield
        except TimeoutError:
            raise HTTPError(503, headers={"Retry-After": "1"}) from None
        except OSError as error:
            if error.errno in _STATUSES:
                raise HTTPError(_STATUSES[error.errno]) from None
            raise refusal(error) from None
