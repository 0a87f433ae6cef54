"""Owns the TLS settings: one context for all workers of a generation, made before they fork."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .settings import Settings

__all__ = ["make_context"]

# Mozilla's intermediate configuration 5.7, its suites for TLS 1.2; those of TLS 1.3 are OpenSSL's own.
_CIPHERS = ":".join(
    f"{exchange}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for exchange in ("ECDHE-ECDSA", "ECDHE-RSA")
)
_CIPHERS += ":DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305"
_VERIFY = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


def make_context(settings: Settings) -> ssl.SSLContext | None:
    """The context of `certfile`, `keyfile`, `client_ca` and `client_cert`; None without a certfile.

    Raises ValueError that names the file which does not load.
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
        raise ValueError(f"keyfile {path!r} wants a password, wanted a key without one")

    for name, path in (("certfile", settings.certfile), ("keyfile", settings.keyfile)):
        if path is not None:
            _readable(name, path)
    try:
        context.load_cert_chain(settings.certfile, settings.keyfile, refuse_password)
    except OSError as error:  # ssl.SSLError is one
        files = f"certfile {settings.certfile!r}" + (f" with keyfile {settings.keyfile!r}" if settings.keyfile else "")
        raise ValueError(f"{files} does not load: {error}") from None
    if settings.client_ca is not None:
        _readable("client-ca", settings.client_ca)
        try:
            context.load_verify_locations(settings.client_ca)
        except OSError as error:
            raise ValueError(f"client-ca {settings.client_ca!r} does not load: {error}") from None
        context.verify_mode = _VERIFY[settings.client_cert]
    return context


def _readable(name: str, path: str) -> None:
    """Raise ValueError for a file that cannot be read: what OpenSSL says then names no file."""
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise ValueError(f"{name} {path!r} does not load: {error.strerror}") from None
