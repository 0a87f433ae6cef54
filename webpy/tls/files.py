"""The certificate files that the settings name: reads them, and notices when they change.

Runs in the master, which may read what the workers may not; nothing in the files is parsed here. A change is noticed by
what the paths lead to, so that it does not matter whether a file was written, replaced, or is reached over a symbolic
link that leads elsewhere now (as certbot and Kubernetes do it).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from .material import Material, Pair

if TYPE_CHECKING:
    from ..settings import Settings

__all__ = ["CertificateFiles", "Source"]

_MAX_BYTES = 1 << 22  # all authorities of a system take 250 KB

_State = tuple[object, ...]


class Source(Protocol):
    """Where a certificate comes from that no setting names a file of."""

    def state(self) -> object:
        """Return what is not equal to it any more once `pair` returns something else."""

    def pair(self) -> Pair:
        """Return the certificate and its key as they are now."""


class CertificateFiles:
    """The files of `settings`, whose relative paths are taken from `folder`.

    contents: by path, what was read last.
    """

    def __init__(self, settings: Settings, folder: str | os.PathLike[str], source: Source | None = None) -> None:
        """source: of one certificate more."""
        self._source = source
        self._folder = folder
        self._pairs = settings.certificate_files()
        self._client_ca = settings.client_ca
        self._client_crl = settings.client_crl
        self._seen = self._state()
        self._candidate: _State | None = None
        self.contents: dict[str, bytes] = {}

    def read(self, known: Mapping[str, bytes] | None = None) -> Material:
        """Return what they hold now. Raises ValueError, which names the file that cannot be read.

        known: contents of files that need not be read, by path.
        """
        self.contents = dict(known or {})
        pairs = []
        for certfile, keyfile in self._pairs:
            chain = self._content("certfile", certfile)
            label = f"certfile {certfile!r}"
            if keyfile is None:
                pairs.append(Pair(label, label, chain, chain))
            else:
                key_label = f"keyfile {keyfile!r}"
                pairs.append(Pair(f"{label} with {key_label}", key_label, chain, self._content("keyfile", keyfile)))
        if self._source is not None:
            pairs.append(self._source.pair())
        client_ca = b"" if self._client_ca is None else self._content("client-ca", self._client_ca)
        client_crl = b"" if self._client_crl is None else self._content("client-crl", self._client_crl)
        return Material(tuple(pairs), client_ca, client_crl)

    def changed(self, *, settled: bool) -> bool:
        """Return whether a path leads to something else than when this returned True last. settled: only if that was so
        at the last call too, as whoever replaces certificate and key does it one after the other."""
        now = self._state()
        if now == self._seen:
            self._candidate = None
            return False
        if settled and now != self._candidate:
            self._candidate = now
            return False
        self._seen, self._candidate = now, None
        return True

    def _state(self) -> _State:
        paths: list[str | None] = [path for pair in self._pairs for path in pair]
        paths += (self._client_ca, self._client_crl)
        found = [self._identity(path) for path in paths if path is not None]
        return tuple(found if self._source is None else (*found, self._source.state()))

    def _identity(self, path: str) -> object:
        try:
            found = os.stat(os.path.join(self._folder, path))
        except OSError as error:
            return error.errno
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def _content(self, name: str, path: str) -> bytes:
        if path not in self.contents:
            self.contents[path] = self._read(name, path)
        return self.contents[path]

    def _read(self, name: str, path: str) -> bytes:
        try:
            # not to wait for the other end of a pipe
            descriptor = os.open(os.path.join(self._folder, path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:
                content = file.read(_MAX_BYTES + 1)
        except OSError as error:
            raise ValueError(f"{name} {path!r} does not load: {error.strerror}") from None
        if len(content or b"") > _MAX_BYTES:
            raise ValueError(f"{name} {path!r} does not load: it has more than {_MAX_BYTES >> 20} MB")
        return content or b""
