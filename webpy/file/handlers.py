"""Owns the handlers that send files: one file, or the files of a directory.

A file that was sent within the last second and has not changed is sent again from a cache of what was found out about
it (`CachedFile`); otherwise the request goes the long way, through `Representation`. Up to the head of the answer, the
short way takes 7.5 µs, and a handler that returns `open(path, "rb", buffering=0)` 5.5 (CPython 3.11, a shared 2-core
VM, November 2026).
"""

from __future__ import annotations

import errno
import io
import os
import re
import stat
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote_to_bytes

from ..framework.answer import IN_MEMORY_BYTES
from ..framework.errors import HTTPError
from ..framework.handler import HTTPHandler
from ..framework.headers import HTTPHeaders
from ..framework.merging import merge
from ..framework.order import Rank
from ..framework.renaming import RenamedOptions
from ..framework.response import Response
from .hashing import IMMUTABLE, Hashes, plain_name
from .listing import Listing
from .mediatypes import media_type
from .names import local_name
from .opening import Tree, open_again, open_found, refusal
from .precompressed import choose
from .representation import CachedFile, Representation, identity_of

if TYPE_CHECKING:
    from ..framework.response import Result
    from ..protocol import Head

__all__ = ["FileHandler", "PathHandler"]

_MAX_CACHED = 1024
_BODY_SEEN_BY = ("do_get", "do_head", "respond", "encode")  # a class that overrides one of them may look at the body
_CACHED_S = 1.0  # for so long the path of an unchanged file is not checked again: asking /proc takes 3 µs


def _wants_all(head: Head) -> bool:
    """Return True if the request has neither conditions nor a range, so that the whole file is sent."""
    get = head.get
    return (
        get("if-none-match") is None
        and get("if-modified-since") is None
        and get("range") is None
        and get("if-match") is None
        and get("if-unmodified-since") is None
    )


class FileHandler(RenamedOptions, HTTPHandler):
    """Sends one file, whatever the path.

    file_path: the file, relative to the current directory; cache_control: the Cache-Control field (RFC 9111 section
    5.2); file_charset: the charset of text files, None to leave it out; file_types: endings, such as ".txt", to
    Content-Type; file_precompressed: whether to send `NAME.br`, `NAME.zst` or `NAME.gz` to clients that accept it, if
    it exists and is not older than NAME.
    """

    mixin_rank = Rank.HOST
    renamed_options: ClassVar[Mapping[str, str]] = {
        "filename": "file_path",
        "charset": "file_charset",
        "types": "file_types",
        "precompressed": "file_precompressed",
        "content_type": "file_content_type",
    }

    file_path: ClassVar[str | os.PathLike[str]] = ""
    cache_control: ClassVar[str | None] = None
    file_charset: ClassVar[str | None] = "utf-8"
    file_types: ClassVar[Mapping[str, str]] = {}
    file_precompressed: ClassVar[bool] = False
    #: whether every client gets the same file for a resource, so that it may be cached for a second
    file_cached: ClassVar[bool] = True

    _cache: ClassVar[dict[tuple[object, str], CachedFile]] = {}
    _reads_small: ClassVar[bool] = False

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls._cache = {}
        cls._reads_small = all(getattr(cls, name) is getattr(FileHandler, name) for name in _BODY_SEEN_BY)
        cls.file_cached = cls.find is FileHandler.find  # a `find` of its own may find another file for each client

    def do_get(self) -> Result:
        """Return the file: 200, 206 or 304. Raises HTTPError: 403, 404, 412, 416."""
        head = self.request.head
        cached = self._cache.get((self._origin, head.resource))
        if cached is not None and _wants_all(head):
            body = self._read_cached(cached)
            if body is not None:
                if self._response is None:
                    self._response = Response(HTTPHeaders.of(cached.fields))
                else:
                    merge(self._response.headers, HTTPHeaders.of(cached.fields))
                return 200, body
        try:
            return self.find()
        except OSError as error:
            raise refusal(error) from None

    def find(self) -> Result:
        """Find the file that the request names, and answer. Raises HTTPError, or OSError if it cannot be opened."""
        path = os.path.abspath(os.fsencode(self.file_path))
        return self.send(path, *self.open(path))

    @property
    def _origin(self) -> object:
        """The part of the cache's key beside the resource, for handlers that serve several files or folders."""
        return self.file_path

    def _read_cached(self, cached: CachedFile) -> io.FileIO | io.BytesIO | None:
        """Open the file again; return None if its time in the cache is over, or it has changed.

        A small file is read here if nobody else sees the body before the worker does, who would read it otherwise, and
        need a file object and a second fstat for that.
        """
        if time.monotonic() >= cached.until_s:
            return None
        try:
            fd = open_again(cached.path)
        except OSError:
            return None
        if identity_of(os.fstat(fd)) != cached.identity:
            os.close(fd)
            return None
        size = cached.identity[2]
        if size > IN_MEMORY_BYTES or not self._reads_small:
            return io.FileIO(fd, "rb")
        try:
            data = os.pread(fd, size, 0)
        finally:
            os.close(fd)
        return io.BytesIO(data) if len(data) == size else None

    def file_content_type(self, path: str) -> str:
        """Return the Content-Type of the file at `path`. Override it to decide in another way."""
        return media_type(path, self.file_charset, self.file_types)

    def open(self, path: bytes) -> tuple[int, os.stat_result]:
        """Return descriptor and status of the regular file or directory at `path`. Raises OSError."""
        return open_found(path)

    def send(self, path: bytes, fd: int, status: os.stat_result) -> Result:
        """Answer with the open file, or with a precompressed one beside it. Closes `fd`, or its answer does.

        Raises HTTPError: 404, 412, 416.
        """
        coding, varies = None, False
        if stat.S_ISDIR(status.st_mode):
            os.close(fd)
            raise HTTPError(404)
        headers = HTTPHeaders()
        headers.add("Content-Type", self.file_content_type(os.fsdecode(path)))
        if self.file_precompressed:
            accepted = ", ".join(self.request.headers.getlist("Accept-Encoding")) or None
            coding, sibling, varies = choose(path, status, accepted)
            if coding is not None:
                try:
                    fd, status = self._open_instead(fd, sibling)
                except OSError:
                    coding = None
        file = Representation(fd, status, headers)
        if coding is not None:
            headers.add("Content-Encoding", coding)
        if self.cache_control is not None:
            headers.add("Cache-Control", self.cache_control)
        if varies:
            headers.add("Vary", "Accept-Encoding")
        try:
            result = file.answer(self.request, self.response)
        except BaseException:
            file.close()
            raise
        if self.file_cached and not self.file_precompressed:
            if len(self._cache) >= _MAX_CACHED:
                self._cache.clear()
            cached = CachedFile(path, identity_of(status), headers.frozen(), time.monotonic() + _CACHED_S)
            self._cache[self._origin, self.request.resource] = cached
        return result

    def _open_instead(self, fd: int, path: bytes) -> tuple[int, os.stat_result]:
        """Open another regular file and close `fd`. Raises OSError, and leaves `fd` open then."""
        other, status = self.open(path)
        if stat.S_ISDIR(status.st_mode):
            os.close(other)
            raise OSError(errno.EISDIR, "became a directory")
        os.close(fd)
        return other, status


class PathHandler(FileHandler):
    """Sends the files of a directory, and of the directories in it.

    file_local: the directory, relative to the current one when the class is made; file_index_files: names of files that
    are sent for a directory, the first that exists; file_dir_index: whether a directory without one is answered with a
    list, instead of 403; file_immutable: whether names with a hash of the content stand for the plain file, which
    clients then keep, or a regex for files that never change either.

    The first group of the route's regex is the path below the directory: write `/docs(/.*)?`, or use `new`.
    """

    renamed_options: ClassVar[Mapping[str, str]] = {
        "local": "file_local",
        "index_files": "file_index_files",
        "dir_index": "file_dir_index",
    }

    file_local: ClassVar[str | os.PathLike[str]] = "."
    file_index_files: ClassVar[Sequence[str]] = ("index.html",)
    file_dir_index: ClassVar[bool] = False
    file_immutable: ClassVar[bool | str] = False

    decodes_path = True
    tree: ClassVar[Tree] = Tree(".")
    _hashes: ClassVar[Hashes] = Hashes()

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.tree = Tree(cls.file_local)
        cls._hashes = Hashes()
        cls.file_cached = cls.find is PathHandler.find and cls.below is PathHandler.below

    @property
    def below(self) -> str:
        """The path below the directory, percent-encoded: "/a/b.txt", or "" for the directory without a slash."""
        group = self.groups[0] if self.groups else self.request.path
        return (group or "").partition("?")[0]

    def find(self) -> Result:
        """Find the file that the request names, and answer. Raises HTTPError, or OSError if it cannot be opened."""
        below = self.below
        if not below:
            return self.to_the_slash()
        name = local_name(below)
        if name is None:
            raise HTTPError(404)
        if not name or name.endswith(b"/"):
            return self._directory(name)
        path = self.tree.path(name)
        if self.file_immutable is False:
            fd, status = self.open(path)
        else:
            path, fd, status = self._open_immutable(name, path)
        if stat.S_ISDIR(status.st_mode):
            os.close(fd)
            return self.to_the_slash()
        return self.send(path, fd, status)

    def _open_immutable(self, name: bytes, path: bytes) -> tuple[bytes, int, os.stat_result]:
        """Open the file `name`, or the one that it stands for as it has a hash in it; return its path, descriptor and
        status, with Cache-Control set for the answer. Raises OSError."""
        pattern = self.file_immutable
        try:
            fd, status = self.open(path)
        except FileNotFoundError:
            plain = plain_name(name)
            if plain is None:
                raise
            path = self.tree.path(plain[0])
            fd, status = self.open(path)
            if stat.S_ISDIR(status.st_mode):
                os.close(fd)
                raise
            is_present = self._hashes.of(path, fd, status) == plain[1]
            self.cache_control = IMMUTABLE if is_present else "no-cache"  # type: ignore[misc] # of this request
        else:
            if isinstance(pattern, str) and re.search(pattern, os.fsdecode(name)):
                self.cache_control = IMMUTABLE  # type: ignore[misc]
        return path, fd, status

    @property
    def _origin(self) -> object:
        return self.tree

    def open(self, path: bytes) -> tuple[int, os.stat_result]:
        return self.tree.open(path)

    def to_the_slash(self) -> Result:
        """Redirect to the same path with a slash, which the relative links in a directory's page need."""
        path, mark, query = self.request.resource.partition("?")
        # one slash first, and no raw backslash: browsers take what begins with two of either for a host
        self.response.headers.set("Location", f"{path}/{mark}{query}".replace("\\", "%5C"))
        return 301, None

    def _directory(self, name: bytes) -> Result:
        """Answer with an index file of the directory, or with a list of its files. Raises HTTPError, OSError."""
        for index in self.file_index_files:
            path = self.tree.path(name + os.fsencode(index))
            try:
                fd, status = self.open(path)
            except FileNotFoundError:
                continue
            if not stat.S_ISDIR(status.st_mode):
                return self.send(path, fd, status)
            os.close(fd)
        fd, status = self.open(self.tree.path(name))
        try:
            if not stat.S_ISDIR(status.st_mode):
                raise HTTPError(404)
            if not self.file_dir_index:
                raise HTTPError(403)
            path = unquote_to_bytes(self.request.path)
            return Listing(self.tree, fd, path, has_parent=bool(name)).answer(self.request, self.response)
        finally:
            os.close(fd)
