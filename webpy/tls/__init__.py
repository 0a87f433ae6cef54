"""TLS: the certificates of a server, and the contexts that handshakes use.

`material` is what the files hold, as it goes from the master to the workers; `files` reads them and notices changes, in
the master; `contexts` makes the contexts, in the zygote and again in a worker that takes on new certificates; `names`
chooses a certificate by the name that a client asks for; `leaf` reads names and dates of a certificate; `profiles` has
versions and ciphers; `memoryfile` is how OpenSSL gets bytes that are in no file; `expiry` says in words when
certificates expire; `badnames` keeps names that cannot be read out of the log. `certificates` puts them together.
"""

from __future__ import annotations

from .certificates import Certificates, SiteCertificates, make_context, tls_settings
from .files import Source

__all__ = ["Certificates", "SiteCertificates", "Source", "make_context", "tls_settings"]
