"""HTTPS by itself: certificates from an ACME directory (RFC 8555), such as Let's Encrypt's, ordered and renewed.

    webpy serve app.py --bind http://:80 --bind https://:443 --acme example.org --acme-email me@example.org

A process of its own beside the workers, a sidecar of the master, orders the certificate and renews it. The directory
then asks the plain listener for a proof, which any worker can give. Until the first certificate is there, https answers
with a self-signed one. From the bottom up:

    failures    what can go wrong with an order
    schedule    when to renew, and when to try again
    folder      files that only the server's user can read, replaced as a whole
    state       account key, certificates and pauses, in such a folder
    keys        keys and certificates by the library cryptography
    directory   one order: speaks to the directory by the library acme
    renewing    orders and renews, as long as the process lives
    sidecar     the process that does so
    challenges  the answers to the directory's questions, in workers
    serving     what the master needs: the certificate to begin with, and where the next one will be
"""

from __future__ import annotations

from .serving import Acme
from .sidecar import require_library, sidecar

__all__ = ["Acme", "require_library", "sidecar"]
