"""Owns the handlers that send files: one file, or what a directory holds.

A file that was sent within the last second and is still the same is sent again without looking anything up (`Known`);
all else goes the long way, through `Representation`. Up to the answer's head, the short way takes 7.5 µs, where a
handler that returns `open(path, "rb", buffering=0)` takes 5.5 (CPython 3.11, a shared 2-core VM, November 2026).
"""

from __future__ import annotations

import errno
import io
import os
import stat
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import unquote_to_bytes

from ..framework.errors import HTTPError
from ..framework.handler import HTTPHandler
from ..framework.merging import merge
from ..framework.order import Rank
from ..framework.response import Response
from .listing import Listing
from .mediatypes import media_type
from .names import local_name
from .opening import Tree, open_again, open_found, refusal
from .precompressed import choose
from .representation import Known, Representation, identity_of

if TYPE_CHECKING:
    from ..framework.response import Result
    from ..protocol import Head

__all__ = ["FileHandler", "PathHandler"]

_MOST_KNOWN = 1024
_KNOWN_S = 1.0  # for which a file that has not changed is taken to be where it was: asking /proc takes 3 µs


def _wants_all(head: Head) -> bool:
    """Whether the file shall be sent whole, whatever the client has of it."""
    get = head.get
    return (
        get("if-none-match") is None
        and get("if-modified-since") is None
        and get("range") is None
        and get("if-match") is None
        and get("if-unmodified-since") is None
    )


class FileHandler(HTTPHandler):
    """Sends one file, whatever the path.

    filename: the file, relative to the current directory; cache_control: the Cache-Control field (RFC 9111 section
    5.2); charset: of text files, None to say nothing; types: endings, such as ".txt", to Content-Type; precompressed:
    send `NAME.br`, `NAME.zst` or `NAME.gz` to who takes it, where it is there and not older than NAME.
    """

    mixin_rank = Rank.HOST
    filename: ClassVar[str | os.PathLike[str]] = ""
    cache_control: ClassVar[str | None] = None
    charset: ClassVar[str | None] = "utf-8"
    types: ClassVar[Mapping[str, str]] = {}
    precompressed: ClassVar[bool] = False

    _known: ClassVar[dict[tuple[object, str], Known]] = {}
    #: whether what was found for a resource is what it is for every client, and may be sent again within a second
    remembers: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._known = {}
        cls.remembers = cls.find is FileHandler.find  # who looks in another way may find another file for each client

    def do_get(self) -> Result:
        """The file: 200, 206 or 304."""
        head = self.request.head
        known = self._known.get((self._origin, head.resource))
        if known is not None and _wants_all(head):
            file = self._again(known)
            if file is not None:
                if self._response is None:
                    self._response = Response(known.headers.copy())
                else:
                    merge(self._response.headers, known.headers)
                return 200, file
        try:
            return self.find()
        except OSError as error:
            raise refusal(error) from None

    def find(self) -> Result:
        """Look for what the request names and answer. Raises HTTPError, or OSError where nothing can be opened."""
        path = os.path.abspath(os.fsencode(self.filename))
        return self.send(path, *self.open(path))

    @property
    def _origin(self) -> object:
        """Beside the resource, what tells which file it is."""
        return self.filename

    def _again(self, known: Known) -> io.FileIO | None:
        if time.monotonic() >= known.until_s:
            return None
        try:
            fd = open_again(known.path)
        except OSError:
            return None
        if identity_of(os.fstat(fd)) == known.identity:
            return io.FileIO(fd, "rb")
        os.close(fd)
        return None

    def content_type(self, path: str) -> str:
        """The Content-Type of the file at `path`."""
        return media_type(path, self.charset, self.types)

    def open(self, path: bytes) -> tuple[int, os.stat_result]:
        """Descriptor and status of the regular file or directory at `path`; raises OSError."""
        return open_found(path)

    def send(self, path: bytes, fd: int, status: os.stat_result) -> Result:
        """Answer with the file that is open, or a sibling."""
        coding, varies = None, False
        if stat.S_ISDIR(status.st_mode):
            os.close(fd)
            raise HTTPError(404)
        content_type = self.content_type(os.fsdecode(path))
        if self.precompressed:
            accepted = ", ".join(self.request.headers.getlist("Accept-Encoding")) or None
            coding, sibling, varies = choose(path, status, accepted)
            if coding is not None:
                try:
                    fd, status = self._instead(fd, sibling)
                except OSError:
                    coding = None
        shape = Representation(fd, status, content_type, coding=coding, varies=varies, cache_control=self.cache_control)
        try:
            result = shape.answer(self.request, self.response)
        except BaseException:
            shape.close()
            raise
        if self.remembers and not self.precompressed:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            until_s = time.monotonic() + _KNOWN_S
            known = Known(path, identity_of(status), shape.headers, until_s)
            self._known[self._origin, self.request.resource] = known
        return result

    def _instead(self, fd: int, path: bytes) -> tuple[int, os.stat_result]:
        """Open another regular file in place of one; raises OSError, and the one is still open then."""
        other, status = self.open(path)
        if stat.S_ISDIR(status.st_mode):
            os.close(other)
            raise OSError(errno.EISDIR, "became a directory")
        os.close(fd)
        return other, status


class PathHandler(FileHandler):
    """Sends what a directory holds, and what the directories in it hold.

    local: the directory, relative to the current one when the class is made; index_files: names of files that are sent
    for a directory, the first that is there; dir_index: else a list of what is in it, instead of 403. The route's first
    group is the path below the directory: of the route `/docs(/.*)?` for instance, or see `new`.
    """

    local: ClassVar[str | os.PathLike[str]] = "."
    index_files: ClassVar[Sequence[str]] = ("index.html",)
    dir_index: ClassVar[bool] = False

    decodes_path = True
    tree: ClassVar[Tree] = Tree(".")

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.tree = Tree(cls.local)
        cls.remembers = cls.find is PathHandler.find and cls.below is PathHandler.below

    @property
    def below(self) -> str:
        """The path below the directory, percent-encoded: "/a/b.txt", or "" for the directory without a slash."""
        group = self.groups[0] if self.groups else self.request.path
        return (group or "").partition("?")[0]

    def find(self) -> Result:
        """Look for what the request names and answer. Raises HTTPError, or OSError where nothing can be opened."""
        below = self.below
        if not below:
            return self.to_the_slash()
        name = local_name(below)
        if name is None:
            raise HTTPError(404)
        if not name or name.endswith(b"/"):
            return self._directory(name)
        path = self.tree.path(name)
        fd, status = self.open(path)
        if stat.S_ISDIR(status.st_mode):
            os.close(fd)
            return self.to_the_slash()
        return self.send(path, fd, status)

    @property
    def _origin(self) -> object:
        return self.tree

    def open(self, path: bytes) -> tuple[int, os.stat_result]:
        return self.tree.open(path)

    def to_the_slash(self) -> Result:
        """Relative links in a directory's page need it."""
        path, mark, query = self.request.resource.partition("?")
        # one slash first, and no raw backslash: what browsers take for a host begins with two of either
        self.response.headers.set("Location", f"{path}/{mark}{query}".replace("\\", "%5C"))
        return 301, None

    def _directory(self, name: bytes) -> Result:
        """An index file of the directory, or what is in it."""
        for index in self.index_files:
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
            if not self.dir_index:
                raise HTTPError(403)
            path = unquote_to_bytes(self.request.path)
            return Listing(self.tree, fd, path, has_parent=bool(name)).answer(self.request, self.response)
        finally:
            os.close(fd)
