"""TLS contexts: one for all workers of a generation, made in the zygote before they are forked.

Owns ciphers, versions and certificates. The certificate files are read once (`PemFiles`), in the master, together with
the settings. So a context can be made again, in a zygote that replaces one that died, even if the files have changed.
"""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .settings import Settings

__all__ = ["PemFiles", "make_context"]

# Mozilla's intermediate configuration 5.7, its suites for TLS 1.2; those of TLS 1.3 are OpenSSL's own.
_CIPHERS = ":".join(
    f"{exchange}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for exchange in ("ECDHE-ECDSA", "ECDHE-RSA")
)
_CIPHERS += ":DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305"
_MAX_BYTES = 1 << 22  # all authorities of a system take 250 KB
_VERIFY = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


class PemFiles:
    """The contents of the certificate files of `settings` at this moment; unreadable files are left out."""

    def __init__(self, settings: Settings) -> None:
        self._contents: dict[str, bytes] = {}
        for path in (settings.certfile, settings.keyfile, settings.client_ca):
            if settings.certfile is not None and path is not None:
                with contextlib.suppress(OSError), open(path, "rb") as file:
                    self._contents[path] = file.read(_MAX_BYTES)

    @contextlib.contextmanager
    def opened(self, path: str) -> Iterator[str]:
        """Yield a path that has the kept content of the file `path` (OpenSSL reads paths only); else `path` itself."""
        content = self._contents.get(path)
        if content is None or len(content) == _MAX_BYTES or not hasattr(os, "memfd_create"):
            yield path
            return
        with open(os.memfd_create("pem", os.MFD_CLOEXEC), "wb", buffering=0) as file:
            file.write(content)
            copy = f"/proc/self/fd/{file.fileno()}"
            yield copy if os.path.exists(copy) else path

    def check(self, name: str, path: str) -> None:
        """Raise ValueError for a file that cannot be read, as OpenSSL's own message would not name it."""
        if path not in self._contents:
            _readable(name, path)


def make_context(settings: Settings, files: PemFiles | None = None) -> ssl.SSLContext | None:
    """Return the context for `certfile`, `keyfile`, `client_ca` and `client_cert`; None without a certfile.

    `files` holds their contents; None reads them now. Raises ValueError that names the file which does not load.
    """
    if settings.certfile is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])

    def refuse_password() -> str:
        path = settings.keyfile or settings.certfile
        raise ValueError(f"keyfile {path!r} has a password, wanted a key without one")

    files = files or PemFiles(settings)
    for name, path in (("certfile", settings.certfile), ("keyfile", settings.keyfile)):
        if path is not None:
            files.check(name, path)
    try:
        key = settings.keyfile or settings.certfile
        with files.opened(settings.certfile) as cert_path, files.opened(key) as key_path:
            context.load_cert_chain(cert_path, key_path, refuse_password)
    except OSError as error:  # ssl.SSLError is one
        names = f"certfile {settings.certfile!r}" + (f" with keyfile {settings.keyfile!r}" if settings.keyfile else "")
        raise ValueError(f"{names} does not load: {error}") from None
    if settings.client_ca is not None:
        files.check("client-ca", settings.client_ca)
        try:
            with files.opened(settings.client_ca) as client_ca:
                context.load_verify_locations(client_ca)
        except OSError as error:
            raise ValueError(f"client-ca {settings.client_ca!r} does not load: {error}") from None
        context.verify_mode = _VERIFY[settings.client_cert]
    return context


def _readable(name: str, path: str) -> None:
    """Raise ValueError for a file that cannot be read, as OpenSSL's own message would not name it."""
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise ValueError(f"{name} {path!r} does not load: {error.strerror}") from None
