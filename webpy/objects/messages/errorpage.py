"""Owns the pages of errors: the built-in one, and those that `error_page.*` of the configuration names."""

from __future__ import annotations

import html
import traceback
from types import GeneratorType
from typing import Any

from ..process.serving import serving
from .status import valid_status

__all__ = ["error_page"]

_PAGE = """<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<title>%(status)s</title>
<style>
body { font-family: sans-serif; margin: 2em auto; max-width: 50em; padding: 0 1em }
#traceback { overflow-x: auto; white-space: pre-wrap }
</style>
</head>
<body>
<h2>%(status)s</h2>
<p>%(message)s</p>
<pre id="traceback">%(traceback)s</pre>
</body>
</html>
"""
VERSION = "webpy"


def error_page(status: int | str, **values: Any) -> Any:
    """Return the body for an error: bytes, or a generator of bytes if the application's page is one.

    values: `message`, `traceback` and `version`; they are escaped for HTML. Raises ValueError for an invalid status.
    """
    code, reason, message = valid_status(status)
    said = {"status": f"{code} {reason}", "message": message, "traceback": "", "version": VERSION}
    said.update((name, value) for name, value in values.items() if value is not None)
    said = {name: html.escape(value, quote=False) for name, value in said.items()}
    pages = serving.request.error_page
    page = pages.get(code) or pages.get("default")
    template = _PAGE
    if page:
        try:
            if callable(page):
                return _body(page(**said))
            template = _read(page)
        except Exception as error:
            last = traceback.format_exception_only(error)[-1]
            so_far = said["message"] + "<br />" if said["message"] else ""
            said["message"] = f"{so_far}In addition, the custom error page failed:\n<br />{last}"
    serving.response.headers["Content-Type"] = "text/html;charset=utf-8"
    return (template % said).encode()


def _read(path: Any) -> str:
    with open(path, newline="") as file:
        return file.read()


def _body(page: Any) -> Any:
    if isinstance(page, str):
        return page.encode()
    if isinstance(page, bytes):
        return page
    if isinstance(page, GeneratorType) or (hasattr(page, "__next__") and iter(page) is page):
        return _encoded(page)
    raise ValueError(
        "error page function did not return a bytestring, str or an iterator - returned object of type "
        f"{type(page).__name__}."
    )


def _encoded(pieces: Any) -> Any:
    try:
        for piece in pieces:
            yield piece.encode() if isinstance(piece, str) else piece
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
