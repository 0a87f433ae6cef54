"""Owns the handlers whose bodies are JSON: which bodies they take, and how their answers are sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..framework.answer import NO_SNIFFING
from ..framework.errors import HTTPError
from ..framework.handler import HTTPHandler
from ..protocol.grammar import media_type, parameters, unquoted
from .text import MAX_DEPTH, brief, dumps, loads
from .values import is_kind, kind_words

if TYPE_CHECKING:
    from ..framework.response import Body, Result

__all__ = ["JSONHandler", "JSONMixIn"]

_TYPE = "application/json"


class JSONMixIn(HTTPHandler):
    """Put in front of a handler: its bodies are JSON, both `request.body` and what its methods return."""

    json_types = r"application/(json|[^/;\s]+\+json)"
    json_required = frozenset({"POST", "PUT", "PATCH"})
    json_kind: type | tuple[type, ...] = object
    json_max_depth = MAX_DEPTH

    def json_default(self, value: Any) -> Any:
        """Return what to send for a value of a type that JSON does not have. Override it; raises TypeError."""
        raise TypeError(f"JSON has no {type(value).__name__}")

    def check_continue(self) -> bool | None:
        goes_on = super().check_continue()  # first, as it may ask for a login
        if goes_on is not False:
            self._check_type()  # raises before the client sends a body that is refused
        return goes_on

    def decode(self, body: bytes) -> Any:
        self._check_type()
        value = loads(body, self.json_max_depth)
        kinds = self.json_kind if isinstance(self.json_kind, tuple) else (self.json_kind,)
        if not any(is_kind(value, kind) for kind in kinds):
            wanted = " or ".join(kind_words(kind) for kind in kinds)
            raise HTTPError(400, f"JSON: got {kind_words(type(value))}, wanted {wanted}\n")
        return value

    def encode(self, body: Any) -> Body:
        if body is None or isinstance(body, (bytes, bytearray, memoryview, Iterator)) or hasattr(body, "read"):
            return super().encode(body)
        text = dumps(body, self.json_default)
        if "Content-Type" not in self.response.headers:
            self.response.headers.set("Content-Type", _TYPE)
            self.response.headers.set(*NO_SNIFFING)
        return super().encode(text)

    def respond(self) -> Result:
        cls, head = type(self), self.request.head
        if not cls.stream and not (head.chunked or head.content_length) and cls.method_for(head.method) is not None:
            if head.method in self.json_required:
                raise HTTPError(400, "JSON: line 1 column 1: the body is empty\n")
            self.request.body = None
        return super().respond()

    def _check_type(self) -> None:
        """Raise HTTPError 415 for a body that does not say it is JSON (RFC 9110 section 15.5.16)."""
        headers = self.request.headers
        coding = headers.get("Content-Encoding") or "identity"
        if coding.strip().lower() != "identity":
            what = f"got Content-Encoding {brief(coding)}, wanted none\n"
            raise HTTPError(415, what, {"Accept-Encoding": "identity"})
        stated = headers.get("Content-Type")
        good = re.fullmatch(self.json_types, media_type(stated or ""), re.IGNORECASE)
        if not good or not _is_utf_8(stated or ""):
            got = "no Content-Type" if stated is None else f"Content-Type {brief(stated)}"
            raise HTTPError(415, f"got {got}, wanted {_TYPE} in UTF-8\n", {"Accept": _TYPE})


class JSONHandler(JSONMixIn):
    """A handler whose bodies are JSON: see `JSONMixIn`."""


def _is_utf_8(content_type: str) -> bool:
    """Return whether every charset that a Content-Type names is UTF-8 or ASCII; True if it names none."""
    try:
        charsets = [unquoted(value) for name, value in parameters(content_type) if name == "charset"]
    except ValueError:
        return False
    return all(charset.lower() in ("utf-8", "utf8", "us-ascii") for charset in charsets)
