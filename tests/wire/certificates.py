"""Certificate files for servers under test: issued anew whenever a test says so."""

from __future__ import annotations

import datetime
import os
import ssl
from collections.abc import Iterable
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

__all__ = ["Pairs", "revocation_list", "serial_of"]


class Pairs:
    """Pairs of files NAME.pem and NAME.key in a folder, of one authority, whose certificate is in ca.pem."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.ca = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(str(self.ca))

    def issue(self, stem: str, *names: str, days: float | None = None) -> str:
        """Write a new pair, for these names; return its serial number. days: until it expires."""
        until = None if days is None else datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
        made = self.authority.issue_cert(*names, not_after=until)
        for suffix, content in (
            ("key", made.private_key_pem.bytes()),
            ("pem", b"".join(blob.bytes() for blob in made.cert_chain_pems)),
        ):
            new = self.folder / f"{stem}.new"
            new.write_bytes(content)
            os.replace(new, self.folder / f"{stem}.{suffix}")
        return serial_of(made.cert_chain_pems[0].bytes())

    def options(self, *stems: str) -> tuple[str, ...]:
        """The options of a server for these pairs."""
        found: list[str] = []
        for stem in stems:
            found += ("--certfile", f"{self.folder}/{stem}.pem", "--keyfile", f"{self.folder}/{stem}.key")
        return tuple(found)

    def context(self) -> ssl.SSLContext:
        """A client's context."""
        return ssl.create_default_context(cafile=str(self.ca))


def serial_of(pem: bytes) -> str:
    """The serial number as `getpeercert` has it."""
    number = f"{x509.load_pem_x509_certificate(pem).serial_number:X}"
    return number.zfill(len(number) + len(number) % 2)


def revocation_list(authority: trustme.CA, serials: Iterable[str]) -> bytes:
    """A list (PEM) that revokes these certificates."""
    now = datetime.datetime.now(datetime.UTC)
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.subject)
    builder = builder.last_update(now - datetime.timedelta(days=1)).next_update(now + datetime.timedelta(days=1))
    for serial in serials:
        revoked = x509.RevokedCertificateBuilder().serial_number(int(serial, 16)).revocation_date(now).build()
        builder = builder.add_revoked_certificate(revoked)
    signed = builder.sign(authority._private_key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)
