"""Versions and ciphers, after Mozilla's "Server Side TLS" 5.7.

What Python's ssl cannot set stays as OpenSSL has it: the list of groups (`SSLContext.set_ecdh_curve` takes a single
one, which would turn X25519 and the hybrid groups off) and the suites of TLS 1.3.
"""

from __future__ import annotations

import ssl

__all__ = ["PROFILES", "apply_profile"]

_CIPHERS = ":".join(
    f"{exchange}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for exchange in ("ECDHE-ECDSA", "ECDHE-RSA")
)
_CIPHERS += ":DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305"

PROFILES = {"modern": ssl.TLSVersion.TLSv1_3, "intermediate": ssl.TLSVersion.TLSv1_2}
"""The lowest version of each profile."""


def apply_profile(context: ssl.SSLContext, profile: str) -> None:
    """Set versions, ciphers and options of a server's context; profile: a key of `PROFILES`."""
    context.minimum_version = PROFILES[profile]
    context.set_ciphers(_CIPHERS)  # of TLS 1.2; those of 1.3 are OpenSSL's own
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
