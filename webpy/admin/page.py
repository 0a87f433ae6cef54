"""The status page, and its Content-Security-Policy, which lets a browser run the page's own script and nothing else.

Owns page.html beside it, which refers to nothing outside itself. Called once, at the start of the admin process.
"""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files
from typing import NamedTuple

__all__ = ["Page", "load_page"]


class Page(NamedTuple):
    """The page as it is sent."""

    body: bytes
    policy: str
    """Its Content-Security-Policy."""


def load_page() -> Page:
    """Read the page and make its policy, which allows its one script and its one style by their hashes.

    https://www.w3.org/TR/CSP3/: default-src 'none' forbids everything else, so even a text that got into the page as
    markup could load and run nothing; trusted types forbid making markup from text in the first place.
    """
    body = files(__package__).joinpath("page.html").read_bytes()
    policy = {
        "default-src": "'none'",
        "script-src": _hashes(body, b"script"),
        "style-src": _hashes(body, b"style"),
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
    }
    return Page(body, "; ".join(f"{name} {value}" for name, value in policy.items()))


def _hashes(body: bytes, tag: bytes) -> str:
    inline = re.findall(rb"<%b>(.*?)</%b>" % (tag, tag), body, re.DOTALL)
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'" for text in inline)
