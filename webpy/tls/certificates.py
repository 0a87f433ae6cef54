"""The certificates of a server from the file to the handshake: what `webpy.supervisor` takes on without a reload.

`Certificates` is made in the master, together with the settings, and reads the files there. A zygote that is forked
from it makes the contexts; so does one that replaces a zygote that died, even if the files have changed since. New
content comes to a running zygote or worker by `take`.
"""

from __future__ import annotations

import os
import ssl
import time
from typing import TYPE_CHECKING, Any

from .badnames import ignore_bad_names
from .contexts import Contexts
from .expiry import expiry_warnings
from .files import CertificateFiles, Source
from .material import Material

if TYPE_CHECKING:
    from ..settings import Settings

__all__ = ["Certificates", "SiteCertificates", "make_context", "tls_settings"]

_MAX_CERTIFICATES = 200  # whose facts the status has
_MAX_NAMES = 5  # of each of them


class Certificates:
    """The certificates that `settings` name; relative paths are taken from `folder`. Raises ValueError for a file that
    cannot be read."""

    name = "certificates"

    def __init__(self, settings: Settings, folder: str | os.PathLike[str] = "", source: Source | None = None) -> None:
        """source: of one certificate more."""
        self._settings = settings
        self._files = CertificateFiles(settings, folder, source)
        self._material = self._files.read()
        self._contexts: Contexts | None = None

    # -- in the master ---------------------------------------------------------------------------------------

    def changed(self, *, settled: bool) -> bytes | None:
        """Return what the files hold now, packed, if that is not what is in use; see `Renewable.changed`."""
        if not self._files.changed(settled=settled) and settled:
            return None
        material = self._files.read()
        return None if material == self._material else material.pack()

    def content(self) -> bytes:
        """Return, packed, what zygotes that are forked now use."""
        return self._material.pack()

    def keep(self, content: bytes) -> None:
        """Have zygotes that are forked from now on use this."""
        self._material = Material.unpack(content)

    def warnings(self, facts: dict[str, Any]) -> list[str]:
        """Return a line for each certificate that expires soon."""
        return expiry_warnings(facts, time.time())

    # -- in the zygote and the workers -----------------------------------------------------------------------

    def load(self) -> None:
        """Make the contexts. Raises ValueError that names what does not load."""
        ignore_bad_names()
        self._contexts = Contexts(self._settings, self._material)

    @property
    def context(self) -> ssl.SSLContext:
        """The context that a handshake begins with; another one after `take` has brought other authorities."""
        assert self._contexts is not None
        return self._contexts.front

    def take(self, content: bytes) -> None:
        """Use these certificates from the next handshake on. Raises ValueError if they do not load; then nothing has
        changed."""
        assert self._contexts is not None
        self._contexts.take(Material.unpack(content))

    def facts(self) -> dict[str, Any]:
        """Return {"certificates": [{"names": […], "serial": …, "begins_s": …, "expires_s": …}]} of those in use, with
        Unix times."""
        assert self._contexts is not None
        return {
            "certificates": [
                {
                    "names": list(leaf.names[:_MAX_NAMES]),
                    "serial": leaf.serial,
                    "begins_s": leaf.begins_s,
                    "expires_s": leaf.expires_s,
                }
                for leaf in self._contexts.leaves[:_MAX_CERTIFICATES]
            ]
        }


class SiteCertificates(Certificates):
    """The certificates of `settings` that came with the application, and are known only in the zygote (in the zygote
    and the workers). `known` has read, in the master, the files that both name; it may be None.

    The master does not know all of them, so only a reload renews them.
    """

    def __init__(self, settings: Settings, folder: str | os.PathLike[str], known: Certificates | None) -> None:
        self._settings = settings
        self._files = CertificateFiles(settings, folder)
        self._material = self._files.read({} if known is None else known._files.contents)
        self._contexts = None

    def take(self, content: bytes) -> None:
        """Refuse with a ValueError."""
        raise ValueError("the application names certificate files of its own, so a reload is wanted")


def tls_settings(settings: Settings) -> tuple[object, ...]:
    """Return the settings that contexts are made from, to be compared."""
    files = (settings.certificate_files(), settings.client_ca, settings.client_crl)
    return (*files, settings.client_cert, settings.tls_profile)


def make_context(settings: Settings, folder: str | os.PathLike[str] = "") -> ssl.SSLContext | None:
    """Return the context for the files of `settings` as they are now; None if they name no certificate. Raises
    ValueError that names the file which does not load."""
    if settings.certfile is None:
        return None
    certificates = Certificates(settings, folder)
    certificates.load()
    return certificates.context
