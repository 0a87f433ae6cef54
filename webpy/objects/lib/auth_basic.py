"""CherryPy's names of the tool `auth_basic`: see `webpy.objects.tools.basic`."""

from __future__ import annotations

from ..tools.basic import basic_auth, checkpassword_dict, checkpassword_htpasswd

__all__ = ["basic_auth", "checkpassword_dict", "checkpassword_htpasswd"]
