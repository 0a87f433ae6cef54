"""A client's certificate as handlers and applications see it: names, alternative names, variables."""

from __future__ import annotations

import ssl

import pytest

from tests.heads import request_of
from webpy.framework.tlsclient import TLSClient

DER = bytes(range(100))
FOUND = {
    "subject": (
        (("countryName", "GB"),),
        (("organizationName", "Example, Ltd"),),
        (("organizationalUnitName", "Research"),),
        (("organizationalUnitName", "Engines"),),
        (("commonName", "Ada"), ("emailAddress", "ada@example.org")),
    ),
    "issuer": ((("commonName", " Root #1 "),),),
    "version": 3,
    "serialNumber": "0A1B",
    "notBefore": "Nov 22 08:00:00 2026 GMT",
    "notAfter": "Nov 22 08:00:00 2027 GMT",
    "subjectAltName": (
        ("DNS", "a.example"),
        ("email", "ada@example.org"),
        ("DNS", "b.example"),
        ("IP Address", "10.0.0.1"),
        ("DirName", ((("commonName", "x"),), (("organizationName", "y"),))),
    ),
}


def test_what_a_handler_reads() -> None:
    client = TLSClient(FOUND, DER)
    assert client.subject == r"CN=Ada+emailAddress=ada@example.org,OU=Engines,OU=Research,O=Example\, Ltd,C=GB"
    assert client.issuer == r"CN=\ Root #1\ "
    assert client.common_name == "Ada"
    assert client.serial == "0A1B"
    assert (client.not_before, client.not_after) == ("Nov 22 08:00:00 2026 GMT", "Nov 22 08:00:00 2027 GMT")
    assert client.sans[:2] == (("DNS", "a.example"), ("email", "ada@example.org"))
    assert client.sans[-1] == ("DirName", "O=y,CN=x")
    assert ssl.PEM_cert_to_DER_cert(client.pem) == DER
    assert client.pem == ssl.DER_cert_to_PEM_cert(DER)
    assert repr(client).startswith("<TLSClient 'CN=Ada+") and "0A1B" in repr(client)


def test_the_variables_of_mod_ssl() -> None:
    made = TLSClient(FOUND, DER).variables()
    assert made == {
        "SSL_CLIENT_VERIFY": "SUCCESS",
        "SSL_CLIENT_M_VERSION": "3",
        "SSL_CLIENT_M_SERIAL": "0A1B",
        "SSL_CLIENT_S_DN": r"CN=Ada+emailAddress=ada@example.org,OU=Engines,OU=Research,O=Example\, Ltd,C=GB",
        "SSL_CLIENT_I_DN": r"CN=\ Root #1\ ",
        "SSL_CLIENT_V_START": "Nov 22 08:00:00 2026 GMT",
        "SSL_CLIENT_V_END": "Nov 22 08:00:00 2027 GMT",
        "SSL_CLIENT_CERT": ssl.DER_cert_to_PEM_cert(DER),
        "SSL_CLIENT_S_DN_C": "GB",
        "SSL_CLIENT_S_DN_O": "Example, Ltd",
        "SSL_CLIENT_S_DN_OU": "Research",
        "SSL_CLIENT_S_DN_OU_1": "Engines",
        "SSL_CLIENT_S_DN_CN": "Ada",
        "SSL_CLIENT_S_DN_Email": "ada@example.org",
        "SSL_CLIENT_I_DN_CN": " Root #1 ",
        "SSL_CLIENT_SAN_DNS_0": "a.example",
        "SSL_CLIENT_SAN_Email_0": "ada@example.org",
        "SSL_CLIENT_SAN_DNS_1": "b.example",
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("#hash", r"\#hash"),
        ("a#b", "a#b"),
        ('"<>;+\\,', r"\"\<\>\;\+\\\,"),
        (" ", r"\ "),
        ("a\nb\0", r"a\0Ab\00"),
        ("Grüße", "Grüße"),
    ],
)
def test_what_is_special_in_names_is_escaped(value: str, text: str) -> None:
    made = TLSClient({"subject": ((("commonName", value),),)}, b"")
    assert made.subject == f"CN={text}"
    assert "\0" not in "".join(made.variables().values())  # the environment of a script cannot hold one


def test_a_certificate_that_says_nothing() -> None:
    client = TLSClient({}, b"")
    assert (client.subject, client.common_name, client.sans, client.serial) == ("", "", (), "")
    assert client.variables()["SSL_CLIENT_VERIFY"] == "SUCCESS"


def test_a_request_without_one() -> None:
    assert request_of().tls_client is None
