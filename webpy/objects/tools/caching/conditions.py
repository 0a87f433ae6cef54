"""Conditional requests: the tool `etags`, and the conditions about `Last-Modified` (CherryPy's `validate_since`).

Dates are compared as text, and entity tags exactly, weak ones too: as in CherryPy, and more strictly than RFC 9110
section 13.1 asks for. `webpy.conditional` follows the RFC.
"""

from __future__ import annotations

import hashlib

from ...messages.errors import HTTPError, HTTPRedirect
from ...messages.status import valid_status
from ...process.serving import request, response

__all__ = ["validate_etags", "validate_since"]


def validate_etags(autotags: bool = False, debug: bool = False) -> None:
    """Compare the answer's ETag with the request's If-Match and If-None-Match.

    autotags: give an answer of status 200 without an ETag the MD5 of its body as one (the body is collected for it).
    Raises HTTPRedirect 304, HTTPError 412.
    """
    if hasattr(response, "ETag"):  # it has raised before: the hooks run again for the answer to that exception
        return
    status = valid_status(response.status)[0]
    etag = response.headers.get("ETag")
    if not etag and autotags and status == 200:
        etag = f'"{hashlib.md5(response.collapse_body(), usedforsecurity=False).hexdigest()}"'
        response.headers["ETag"] = etag
    response.ETag = etag
    if not 200 <= status <= 299:
        return
    wanted = [str(member) for member in request.headers.elements("If-Match")]
    if wanted and wanted != ["*"] and etag not in wanted:
        raise HTTPError(412, f"If-Match failed: ETag {etag!r} did not match {wanted!r}")
    unwanted = [str(member) for member in request.headers.elements("If-None-Match")]
    if unwanted == ["*"] or etag in unwanted:
        if request.method in ("GET", "HEAD"):
            raise HTTPRedirect([], 304)
        raise HTTPError(412, f"If-None-Match failed: ETag {etag!r} matched {unwanted!r}")


def validate_since() -> None:
    """Compare the answer's Last-Modified with the request's If-Modified-Since and If-Unmodified-Since.

    Raises HTTPRedirect 304, HTTPError 412.
    """
    modified = response.headers.get("Last-Modified")
    if not modified:
        return
    status = valid_status(response.status)[0]
    since = request.headers.get("If-Unmodified-Since")
    if since and since != modified and (200 <= status <= 299 or status == 412):
        raise HTTPError(412)
    since = request.headers.get("If-Modified-Since")
    if since and since == modified and (200 <= status <= 299 or status == 304):
        if request.method in ("GET", "HEAD"):
            raise HTTPRedirect([], 304)
        raise HTTPError(412)
