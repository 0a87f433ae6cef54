"""What contexts are made from: certificates with their keys, and what clients' certificates are checked by.

Owns the form in which it goes from the master, which may read the files, to processes that may not. Knows neither
settings nor OpenSSL.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

__all__ = ["Material", "Pair"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate chain and its private key, as the PEM files hold them.

    label: how messages name them, such as "certfile 'a.pem' with keyfile 'a.key'"; key_label: likewise, the key alone.
    """

    label: str
    key_label: str
    chain: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that may change while a server runs; b"" for what there is none of."""

    pairs: tuple[Pair, ...]
    """The first is for clients that ask for no name, or for one that none of them has."""
    client_ca: bytes = b""
    client_crl: bytes = b""

    def pack(self) -> bytes:
        """Return it as bytes for `unpack`."""
        pairs = [[each.label, each.key_label, _text(each.chain), _text(each.key)] for each in self.pairs]
        packed = {"pairs": pairs, "client_ca": _text(self.client_ca), "client_crl": _text(self.client_crl)}
        return json.dumps(packed).encode()

    @classmethod
    def unpack(cls, packed: bytes) -> Material:
        """Return what `pack` was called on."""
        found = json.loads(packed)
        pairs = [Pair(label, key_label, _bytes(chain), _bytes(key)) for label, key_label, chain, key in found["pairs"]]
        return cls(tuple(pairs), _bytes(found["client_ca"]), _bytes(found["client_crl"]))


def _text(content: bytes) -> str:
    return content.decode("latin-1")  # any bytes, as a file may hold comments in any encoding


def _bytes(text: str) -> bytes:
    return text.encode("latin-1")
