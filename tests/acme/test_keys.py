"""Keys and certificates."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import josepy
import pytest
from cryptography import x509

from webpy.acme.keys import make_csr, make_key, read_certificate, self_signed, thumbprint

NAMES = ("example.org", "www.example.org")


def test_the_thumbprint_is_that_of_the_library() -> None:
    key = make_key()
    assert thumbprint(key) == josepy.b64encode(josepy.JWKEC.load(key).thumbprint()).decode()


def test_a_self_signed_certificate_loads_and_is_read(tmp_path: Path) -> None:
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    (tmp_path / "a.pem").write_bytes(pem := self_signed(NAMES, now))
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "a.pem")
    facts = read_certificate(pem)
    assert facts.names == set(NAMES)
    assert facts.begins_s < now.timestamp() < facts.expires_s


def test_a_request_is_for_the_names() -> None:
    csr = x509.load_pem_x509_csr(make_csr(make_key(), NAMES))
    names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert tuple(names.get_values_for_type(x509.DNSName)) == NAMES


def test_a_certificate_for_another_key_is_refused() -> None:
    _, mark, certificate = self_signed(NAMES).partition(b"-----BEGIN CERTIFICATE-----")
    with pytest.raises(ValueError, match="another key"):
        read_certificate(make_key() + mark + certificate)


@pytest.mark.parametrize(
    "pem", [b"", b"nothing", make_key(), self_signed(NAMES)[:300]], ids=["", "text", "key", "half"]
)
def test_what_is_none_is_a_value_error(pem: bytes) -> None:
    with pytest.raises(ValueError, match="."):
        read_certificate(pem)
