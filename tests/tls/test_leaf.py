"""What a certificate says of itself."""

from __future__ import annotations

import datetime

import pytest
import trustme

from webpy.tls.leaf import read_leaf


@pytest.mark.parametrize("month", range(1, 13))
def test_dates(month: int) -> None:
    until = datetime.datetime(2030, month, month, 23, 59, 1, tzinfo=datetime.UTC)
    issued = trustme.CA().issue_cert("a.example", not_after=until)
    assert read_leaf(issued.cert_chain_pems[0].bytes()).expires_s == until.timestamp()


def test_names() -> None:
    authority = trustme.CA()

    def names(*identities: str, common_name: str | None = None) -> tuple[str, ...]:
        issued = authority.issue_cert(*identities, common_name=common_name)
        return read_leaf(issued.private_key_and_cert_chain_pem.bytes()).names  # the key may come first

    assert names("A.example", "*.b.example", "10.0.0.1", common_name="other") == ("a.example", "*.b.example")
    assert names("10.0.0.1", common_name="other") == ()
    assert names(common_name="Other.example") == ("other.example",)


@pytest.mark.parametrize("content", [b"", b"junk", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_none(content: bytes) -> None:
    with pytest.raises(ValueError):
        read_leaf(content)
