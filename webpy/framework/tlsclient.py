"""The certificate that a client has shown, as `request.tls_client`. Knows no socket: only what Python's ssl says of it.

The certificate has been verified: with `--client-cert optional` or `required` a handshake with any other fails.
"""

from __future__ import annotations

import base64
import re
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["TLSClient"]

_Name = Iterable[Iterable[tuple[str, str]]]

# Short names of attributes in names (RFC 4514 section 3, and as OpenSSL writes others).
_SHORT = {
    "commonName": "CN",
    "countryName": "C",
    "domainComponent": "DC",
    "givenName": "GN",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "stateOrProvinceName": "ST",
    "streetAddress": "street",
    "surname": "SN",
    "userId": "UID",
}
# The same in variables, where mod_ssl has others.
_VARIABLE = {**_SHORT, "emailAddress": "Email", "givenName": "G", "surname": "S", "title": "T", "initials": "I"}
_SANS = {"DNS": "DNS", "email": "Email"}  # kinds of alternative names that have variables


class TLSClient:
    """A client's certificate.

    Texts are made when they are asked for; the object is the same for all requests of a connection.
    """

    __slots__ = ("_der", "_found", "_variables")

    def __init__(self, found: Mapping[str, Any], der: bytes) -> None:
        """found, der: as `ssl.SSLSocket.getpeercert` returns them."""
        self._found = found
        self._der = der
        self._variables: dict[str, str] | None = None

    def __repr__(self) -> str:
        return f"<TLSClient {self.subject!r} serial {self.serial}>"

    @property
    def subject(self) -> str:
        """Its name, as RFC 4514 writes it: "CN=Ada,OU=Research,O=Example"."""
        return _text(self._found.get("subject", ()))

    @property
    def issuer(self) -> str:
        """The name of the authority that signed it."""
        return _text(self._found.get("issuer", ()))

    @property
    def common_name(self) -> str:
        """The (last) CN of its name, "" if it has none."""
        return dict(_pairs(self._found.get("subject", ()))).get("commonName", "")

    @property
    def sans(self) -> tuple[tuple[str, str], ...]:
        """Its alternative names, kind and value each: ("DNS", "a.example"), ("email", "ada@example.org"), ("URI", …),
        ("IP Address", …)."""
        return tuple(
            (kind, value if isinstance(value, str) else _text(value))
            for kind, value in self._found.get("subjectAltName", ())
        )

    @property
    def serial(self) -> str:
        """Its serial number in hexadecimal, upper case."""
        return str(self._found.get("serialNumber", ""))

    @property
    def not_before(self) -> str:
        """From when it is valid: "Nov 22 08:00:00 2026 GMT"."""
        return str(self._found.get("notBefore", ""))

    @property
    def not_after(self) -> str:
        """Until when it is valid."""
        return str(self._found.get("notAfter", ""))

    @property
    def pem(self) -> str:
        """The certificate itself in PEM."""
        lines = textwrap.wrap(base64.standard_b64encode(self._der).decode(), 64)
        return "\n".join(("-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""))

    def variables(self) -> dict[str, str]:
        """Return the variables that Apache's mod_ssl has for it (`SSLOptions +StdEnvVars +ExportCertData`): all begin
        with SSL_CLIENT_. The dict is the same at each call, and not to be changed."""
        if self._variables is None:
            self._variables = self._made_variables()
        return self._variables

    def _made_variables(self) -> dict[str, str]:
        made = {
            "SSL_CLIENT_VERIFY": "SUCCESS",
            "SSL_CLIENT_M_VERSION": str(self._found.get("version", "")),
            "SSL_CLIENT_M_SERIAL": self.serial,
            "SSL_CLIENT_S_DN": self.subject,
            "SSL_CLIENT_I_DN": self.issuer,
            "SSL_CLIENT_V_START": self.not_before,
            "SSL_CLIENT_V_END": self.not_after,
            "SSL_CLIENT_CERT": self.pem,
        }
        for prefix, name in (("S", "subject"), ("I", "issuer")):
            for key, value in _pairs(self._found.get(name, ())):
                if key in _VARIABLE:
                    _add(made, f"SSL_CLIENT_{prefix}_DN_{_VARIABLE[key]}", value)
        counts = dict.fromkeys(_SANS, 0)
        for kind, value in self.sans:
            if kind in _SANS:
                made[f"SSL_CLIENT_SAN_{_SANS[kind]}_{counts[kind]}"] = value
                counts[kind] += 1
        return {name: value.replace("\0", "\\00") for name, value in made.items()}  # an environment can have no NUL


def _add(made: dict[str, str], variable: str, value: str) -> None:
    """Add a variable; further ones of the same attribute get _1, _2 …, as with mod_ssl."""
    number = 0
    name = variable
    while name in made:
        number += 1
        name = f"{variable}_{number}"
    made[name] = value


def _pairs(name: _Name) -> Iterable[tuple[str, str]]:
    return [pair for relative in name for pair in relative]


def _text(name: _Name) -> str:
    """Return a distinguished name as RFC 4514 section 2 writes it, the most specific part first."""
    parts = ["+".join(f"{_SHORT.get(key, key)}={_escaped(value)}" for key, value in part) for part in name]
    return ",".join(reversed(parts))


def _escaped(value: str) -> str:
    """Return a value with its special characters escaped (RFC 4514 section 2.4), control characters too."""
    value = re.sub(r'[,+"\\<>;]|^[ #]| $', r"\\\g<0>", value)
    return re.sub(r"[\x00-\x1f\x7f]", lambda match: f"\\{ord(match[0]):02X}", value)
