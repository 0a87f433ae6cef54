"""Owns `send_file`, by which any handler answers with a file, and the field that names a download (RFC 6266).

Opens and checks the file; fields, conditions and ranges are those of `Representation`.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..framework.errors import HTTPError
from ..framework.headers import HTTPHeaders
from .mediatypes import media_type
from .opening import Tree, open_found, refusal
from .representation import Representation

if TYPE_CHECKING:
    from ..framework.handler import HTTPHandler
    from ..framework.response import Result

__all__ = ["content_disposition", "send_file"]

_CHARSET = "utf-8"
_NOT_PLAIN = re.compile(r'[^\x20-\x7e]|["\\%/]')
"""What is not put between the quotes of `filename`: clients differ in how they read it (RFC 6266 appendix D)."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Controls, and marks that turn the direction of text, with which `exe.txt` can be shown for `txt.exe`."""


def send_file(
    handler: HTTPHandler,
    path: str | bytes | os.PathLike[str],
    *,
    attachment: bool | str = False,
    root: str | os.PathLike[str] | None = None,
) -> Result:
    """Return the answer of `handler` to a GET or HEAD: the file, 200, 206 or 304.

    path: relative to `root`, or to the current directory without one. root: a directory outside of which nothing is
    sent, whatever `path` and symbolic links say: give one if a client has any part in the path. attachment: True has
    browsers save the file instead of showing it; a str is the name that it is saved under.

    Fields that the handler has set before, such as Content-Type or Cache-Control, are sent with it. Raises HTTPError:
    403, 404 (also for a directory), 412, 416.
    """
    name = os.fsencode(path)
    try:
        fd, status = open_found(name) if root is None else _open_inside(os.path.abspath(root), name)
    except OSError as error:
        raise refusal(error) from None
    except ValueError:  # a NUL in the path
        raise HTTPError(404) from None
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise HTTPError(404)
    shown = os.fsdecode(name)
    said = handler.response.headers
    headers = HTTPHeaders()
    headers.add("Content-Type", said.get("Content-Type") or media_type(shown, _CHARSET, {}))
    if attachment is not False:
        saved_as = attachment if isinstance(attachment, str) else os.path.basename(shown)
        headers.add("Content-Disposition", content_disposition(saved_as))
    file = Representation(fd, status, headers)
    try:
        return file.answer(handler.request, handler.response)
    except BaseException:
        file.close()
        raise


def content_disposition(name: str) -> str:
    """Return the Content-Disposition of a download to be saved as `name` (RFC 6266 section 4.3).

    Of a name that is not plain ASCII, `filename` is an approximation for old clients, and `filename*` the name itself
    (RFC 8187). Control characters are left out.
    """
    name = _CONTROLS.sub("", name.encode("utf-8", "replace").decode())
    if not name:
        return "attachment"
    plain = "".join(char for char in unicodedata.normalize("NFKD", name) if not unicodedata.combining(char))
    plain = _NOT_PLAIN.sub("_", plain)
    said = f'attachment; filename="{plain}"'
    # attr-char of RFC 8187 section 3.2.1, of which `quote` leaves letters, digits and _.-~ as they are
    return said if plain == name else f"{said}; filename*=UTF-8''{quote(name, safe='')}"


def _open_inside(root: str, name: bytes) -> tuple[int, os.stat_result]:
    return _tree(root).open(os.path.join(os.fsencode(root), name))


@lru_cache(64)
def _tree(root: str) -> Tree:
    return Tree(root)
