"""A certificate for a server that a test starts, from an authority that only this test's clients trust."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme

__all__ = ["write_certificate"]


def write_certificate(folder: Path) -> ssl.SSLContext:
    """Write cert.pem, a certificate for 127.0.0.1 with its key, into a folder; return the context of a client that
    trusts it."""
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / "cert.pem"))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context
