"""What the master adds to an application whose certificate comes from an ACME directory.

Owns the certificate as the master sees it: what it began with, and the file that the sidecar replaces. All servers that
share the state directory find a new certificate there.
"""

from __future__ import annotations

import os

from ..framework.routing.routes import RouteTable
from ..settings import Resolved, SettingsError
from ..supervisor import Config, log_record
from ..supervisor.system.identity import Identity
from ..tls.material import Pair
from .beginning import find
from .challenges import ChallengeRoutes
from .folder import read_owned
from .sidecar import require_library

__all__ = ["Acme"]


class Acme:
    """The certificate for the names in the settings, and the answers to challenges, of one generation.

    Made in the master. Raises SettingsError if the library is not installed, or there is no certificate to begin
    with.
    """

    def __init__(self, resolved: Resolved, config: Config) -> None:
        require_library(resolved)
        identity = Identity.of(config)
        self._resolved = resolved
        self._label = f"the certificate for acme {', '.join(resolved.settings.acme)}"
        try:
            self._beginning = find(resolved, identity)
        except OSError as error:
            raise SettingsError([f"{resolved.labels['acme']}: {error}"]) from None
        self._stands_in = self._beginning.stands_in
        self._owner = os.geteuid() if identity.uid is None else identity.uid

    # -- a source of certificates (`tls.files.Source`), in the master ----------------------------------------

    def state(self) -> object:
        """Return what is another object once the file is replaced."""
        try:
            found = os.stat(self._beginning.path, follow_symlinks=False)
        except OSError as error:
            return error.errno
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def pair(self) -> Pair:
        """Return certificate and key as they are now."""
        pem = self._read()
        self._stands_in = "" if pem is not None else self._beginning.stands_in
        pem = pem or self._beginning.pem
        return Pair(self._label, self._label, pem, pem)

    def _read(self) -> bytes | None:
        """Return what the file holds, None if there is none that belongs to the workers' user: the master, which may be
        root, gives them nothing that they could not read."""
        try:
            return read_owned(self._beginning.path, self._owner)
        except OSError:
            return None

    # -- in the zygote ---------------------------------------------------------------------------------------

    def before(self, table: RouteTable) -> RouteTable:
        """Return the routes with those of challenges, and log what there is to say of the certificate."""
        for problem in self._beginning.problems:
            log_record("error", problem)
        if self._stands_in:
            log_record("warning", f"acme: https answers with {self._stands_in} until the one that is ordered is there")
        return ChallengeRoutes(table, self._resolved)
