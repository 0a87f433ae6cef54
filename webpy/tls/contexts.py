"""The contexts of a server: one that every handshake begins with, and one for each certificate.

The first, `front`, has no certificate: by the name that the client asks for it goes over to one that has. So new
certificates are new contexts behind the same front, and the handshake after the change uses them. The front's keys
encrypt the session tickets; it is made in the zygote, so that a session resumes on any worker, and it stays when
certificates change, so that sessions outlive that. It does not stay when the authorities or the revocation lists for
clients' certificates change: a resumed session would not be checked by the new ones.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from .leaf import Leaf, read_leaf
from .memoryfile import as_path
from .names import ServerNames
from .profiles import apply_profile

if TYPE_CHECKING:
    from ..settings import Settings
    from .material import Material, Pair

__all__ = ["Contexts"]

_VERIFY = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


class Contexts:
    """The contexts for `material`. Raises ValueError that names what does not load.

    leaves: of its certificates, in their order.
    """

    def __init__(self, settings: Settings, material: Material) -> None:
        self._settings = settings
        self._authorities = b"", b""
        self._made: dict[Pair, tuple[Leaf, ssl.SSLContext]] = {}
        self._take(material)
        self.front = self._make_front()

    def take(self, material: Material) -> None:
        """Have handshakes use this from now on. Raises ValueError that names what does not load; then nothing has
        changed."""
        before = self._authorities
        self._take(material)
        if self._authorities != before:
            self.front = self._make_front()

    def _take(self, material: Material) -> None:
        authorities = material.client_ca, material.client_crl
        # those that have not changed stay, as each takes milliseconds, in which a worker does nothing else
        known = self._made if authorities == self._authorities else {}
        made = {pair: known.get(pair) or self._make(pair, material) for pair in material.pairs}
        names = ServerNames(made[material.pairs[0]][1])
        for leaf, context in made.values():
            names.add(leaf.names, context)
        self.leaves = [made[pair][0] for pair in material.pairs]
        self._authorities, self._made, self._names = authorities, made, names

    def _make(self, pair: Pair, material: Material) -> tuple[Leaf, ssl.SSLContext]:
        """Return what a certificate says of itself, and a context for it."""
        context = self._empty()
        _load_pair(context, pair)
        self._load_authorities(context, material)
        try:
            return read_leaf(pair.chain), context
        except ValueError as error:
            raise ValueError(f"{pair.label} does not load: {error}") from None

    def _choose(self, sock: ssl.SSLObject | ssl.SSLSocket, name: str | None, _front: ssl.SSLContext) -> None:
        """Go on with the context of the certificate for `name` (called by OpenSSL in every handshake)."""
        sock.context = self._names.find(name)

    def _make_front(self) -> ssl.SSLContext:
        context = self._empty()
        context.sni_callback = self._choose
        return context

    def _empty(self) -> ssl.SSLContext:
        """Return a context without a certificate; versions, verification and ALPN are those of the front and of the
        context it goes over to, whichever OpenSSL looks at."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        apply_profile(context, self._settings.tls_profile)
        context.set_alpn_protocols(["http/1.1"])
        context.verify_mode = _VERIFY[self._settings.client_cert]
        if self._settings.client_crl is not None:
            context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN
        return context

    def _load_authorities(self, context: ssl.SSLContext, material: Material) -> None:
        client_ca, client_crl = f"client-ca {self._settings.client_ca!r}", f"client-crl {self._settings.client_crl!r}"
        for label, content in ((client_ca, material.client_ca), (client_crl, material.client_crl)):
            if not content:
                continue
            try:
                with as_path(content) as path:
                    context.load_verify_locations(path)
            except OSError as error:
                raise ValueError(f"{label} does not load: {error}") from None
        if material.client_crl and not context.cert_store_stats()["crl"]:
            raise ValueError(f"{client_crl} does not load: it holds no revocation list")


def _load_pair(context: ssl.SSLContext, pair: Pair) -> None:
    def refuse_password() -> str:
        raise ValueError(f"{pair.key_label} has a password, wanted a key without one")

    for label, content, what in (
        (pair.label, pair.chain, "CERTIFICATE"),
        (pair.key_label, pair.key, "PRIVATE KEY"),
    ):  # of which OpenSSL would only say that there is an error in PEM
        if f"{what}-----".encode() not in content:
            raise ValueError(f"{label} does not load: it holds no {what.lower()} in PEM")
    try:
        with as_path(pair.chain) as chain, as_path(pair.key) as key:
            context.load_cert_chain(chain, key, refuse_password)
    except OSError as error:  # ssl.SSLError is one
        mismatch = getattr(error, "reason", "") == "KEY_VALUES_MISMATCH"
        why = "the key belongs to another certificate (KEY_VALUES_MISMATCH)" if mismatch else error
        raise ValueError(f"{pair.label} does not load: {why}") from None
