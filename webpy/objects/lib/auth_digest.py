"""CherryPy's names of the tool `auth_digest`: see `webpy.objects.tools.digest`."""

from __future__ import annotations

from ..tools.digest import (
    H,
    HttpDigestAuthorization,
    digest_auth,
    get_ha1_dict,
    get_ha1_dict_plain,
    get_ha1_file_htdigest,
    md5_hex,
    synthesize_nonce,
    www_authenticate,
)

__all__ = [
    "H",
    "HttpDigestAuthorization",
    "digest_auth",
    "get_ha1_dict",
    "get_ha1_dict_plain",
    "get_ha1_file_htdigest",
    "md5_hex",
    "synthesize_nonce",
    "www_authenticate",
]
