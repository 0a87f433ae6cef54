"""Keys and certificates, made and read by the library cryptography: PEM in, PEM out. Knows no files."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["Facts", "make_csr", "make_key", "read_certificate", "self_signed", "thumbprint"]

_SELF_SIGNED = datetime.timedelta(days=30)  # more than the 14 days at which expiry is warned of


class Facts(NamedTuple):
    """Of a certificate: the DNS names it is for, and its times (Unix time)."""

    names: frozenset[str]
    begins_s: float
    expires_s: float


def make_key() -> bytes:
    """Return a new private key for a certificate or an account: on P-256, which every client knows."""
    return _pem(ec.generate_private_key(ec.SECP256R1()))


def thumbprint(key_pem: bytes) -> str:
    """Return the thumbprint of an account key (RFC 7638), as answers to challenges end with it (RFC 8555 8.1)."""
    numbers = _load(key_pem).public_key().public_numbers()
    coordinates = {name: _b64(value.to_bytes(32, "big")) for name, value in (("x", numbers.x), ("y", numbers.y))}
    members = {"crv": "P-256", "kty": "EC", **coordinates}  # in the order that RFC 7638 3.2 wants
    return _b64(hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest())


def make_csr(key_pem: bytes, names: Sequence[str]) -> bytes:
    """Return the request for a certificate for `names`."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(_alternative_names(names), critical=False)
    return builder.sign(_load(key_pem), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def self_signed(names: Sequence[str], now: datetime.datetime | None = None) -> bytes:
    """Return a new key and a certificate for `names` that no authority has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = now or datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "webpy, self-signed")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + _SELF_SIGNED)
    builder = builder.add_extension(_alternative_names(names), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    return _pem(key) + certificate.public_bytes(serialization.Encoding.PEM)


def read_certificate(pem: bytes) -> Facts:
    """Return the facts of the certificate that belongs to the key in `pem`, which holds both. Raises ValueError if they
    do not belong together, or one is missing."""
    leaf = x509.load_pem_x509_certificate(pem)
    if leaf.public_key() != _load(pem).public_key():
        raise ValueError("the certificate is for another key")
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise ValueError("the certificate is for no names") from None
    found = frozenset(name.lower() for name in names.get_values_for_type(x509.DNSName))
    return Facts(found, leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp())


def _load(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("the key is not one on P-256")
    return key


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _alternative_names(names: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.DNSName(name) for name in names])


def _b64(data: bytes) -> str:
    """Return base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
