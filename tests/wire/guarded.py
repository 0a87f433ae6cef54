"""What test_paths.py and the application that it asks agree on: hosts, files, and the regexes of what is guarded."""

from __future__ import annotations

__all__ = ["GUARDED", "HOSTS", "NAMES", "TOPS"]

NAMES = ("a.txt", "admin", "private/secret.txt", "@staff/list", "x/admin", "x/private/secret.txt")
HOSTS = ("files", "cgi", "wsgi", "objects", "native")
TOPS = ("", *(f"/{host}" for host in HOSTS))
GUARDED = [top + below for top in TOPS for below in ("/private(/.*)?", "/admin", "/@staff(/.*)?")]
