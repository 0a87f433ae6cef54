"""What is kept between orders: the account's key, certificates, and how long the directory is left alone.

    STATE/acme/HOST-HASH/          of one directory
        account.pem                the key of the account
        thumbprint                 of that key, for the workers' answers
        NAME-HASH.pem              key and chain for a set of names
        NAME-HASH.pause            Unix time before which no order for them begins
        lock                       held by the process that orders

Owns these names. Several servers may share the folder: those with the same names order once, and use one certificate.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from .. import statedir
from ..settings import Resolved
from .folder import Folder

__all__ = ["THUMBPRINT", "State", "certificate_name", "open_folder"]

THUMBPRINT = "thumbprint"
_ACCOUNT = "account.pem"
_BASE = "acme"


def certificate_name(names: Sequence[str]) -> str:
    """Return the name of the file for a certificate for `names`, in whatever order they are."""
    ordered = sorted(names)
    return f"{ordered[0]}-{_hash(','.join(ordered))}.pem"


def open_folder(resolved: Resolved, *, make: bool = True) -> Folder:
    """Open the folder for the ACME directory of the settings, as the user that this process runs as, and in the folder
    that workers run in. Raises OSError."""
    directory, pidfile = resolved.settings.acme_directory, resolved.settings.pidfile
    statedir.set_pidfile(None if pidfile is None else os.path.join(resolved.base, pidfile))
    host = re.sub(r"[^a-z0-9.-]", "_", urlsplit(directory).hostname or "")
    base = statedir.directory()
    statedir.register_private(f"{base}/{_BASE}", "certificates")
    return Folder(base, _BASE, f"{host}-{_hash(directory)}", make=make)


class State:
    """The account, and the certificate for `names`, in an open folder. Methods raise OSError."""

    def __init__(self, folder: Folder, names: Sequence[str]) -> None:
        self.folder = folder
        self.name = certificate_name(names)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock, which whoever writes needs."""
        with self.folder.locked():
            yield

    def account_key(self) -> bytes:
        """Return the account's key; it is made, and written with its thumbprint, if there is none that can be read.

        Only then it waits for the lock, which an order may hold for minutes.
        """
        from .keys import make_key

        key, print_ = self._read_account()
        if key is not None and self.folder.read(THUMBPRINT) == print_:
            return key
        with self.locked():
            key, print_ = self._read_account()
            if key is None:
                self.folder.write(_ACCOUNT, make_key())
                key, print_ = self._read_account()
                assert key is not None
            self.folder.write(THUMBPRINT, print_)
        return key

    def _read_account(self) -> tuple[bytes | None, bytes]:
        """Return the key and its thumbprint; None if there is none, or if it is damaged, as the directory makes another
        account for a new one."""
        from .keys import thumbprint

        key = self.folder.read(_ACCOUNT)
        try:
            return (None, b"") if key is None else (key, thumbprint(key).encode())
        except ValueError:
            return None, b""

    def certificate(self) -> bytes | None:
        """Return key and chain, None if there are none."""
        return self.folder.read(self.name)

    def put_certificate(self, pem: bytes) -> None:
        """Keep a new certificate; the caller has the lock."""
        self.folder.write(self.name, pem)

    def certificates(self) -> Iterator[bytes]:
        """Yield key and chain of each certificate in the folder, for whatever names."""
        for name in self.folder.names():
            if name.endswith(".pem") and name != _ACCOUNT:
                pem = self.folder.read(name)
                if pem is not None:
                    yield pem

    @property
    def _pause_name(self) -> str:
        return self.name.removesuffix(".pem") + ".pause"

    def pause_until_s(self) -> float:
        """Return the Unix time before which no order may begin; 0.0 if it may now."""
        try:
            return float(self.folder.read(self._pause_name) or b"0")
        except ValueError:
            return 0.0

    def put_pause(self, until_s: float) -> None:
        """Have no order begin before that time; the caller has the lock."""
        self.folder.write(self._pause_name, repr(until_s).encode())


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
