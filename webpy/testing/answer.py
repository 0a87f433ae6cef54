"""Owns `Answer`: what a test sees of an answer. Made by `wire`, of what came on the connection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from ..framework.headers import HTTPHeaders

__all__ = ["Answer"]


@dataclass(slots=True, repr=False, eq=False)
class Answer:
    """An answer.

    `status` (a number) and `reason` are those of the status line. `headers` has all fields in the order in which they
    were sent, with `get`, `getlist`, `[name]` and `in`. `body` is the bytes as sent, without the framing of a chunked
    answer; a compressed body stays compressed. `url` is what was asked for, and `history` holds the answers that
    redirected there, the first one first.
    """

    status: int
    reason: str
    headers: HTTPHeaders
    body: bytes
    url: str
    history: list[Answer] = field(default_factory=list)

    @property
    def charset(self) -> str:
        """The charset of the field Content-Type; utf-8 if it names none."""
        message = Message()
        message["Content-Type"] = self.headers.get("Content-Type") or "application/octet-stream"
        return message.get_content_charset("utf-8")

    @property
    def text(self) -> str:
        """The body as text. Bytes that are not of its charset become U+FFFD; an unknown charset counts as utf-8."""
        try:
            return self.body.decode(self.charset, "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the value of a JSON body. Raises ValueError, which shows the body's beginning, if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            shown = f"{self.status} {self.reason}, {self.body[:80]!r}"
            raise ValueError(f"the body is not JSON: {error}; got {shown}, wanted JSON") from None

    @property
    def cookies(self) -> Mapping[str, str]:
        """Name and value of each cookie that this answer sets. (The client keeps all of them in `client.cookies`.)"""
        pairs = (line.partition(";")[0].partition("=") for line in self.headers.getlist("Set-Cookie"))
        return {name.strip(): value.strip() for name, _, value in pairs}

    def __repr__(self) -> str:
        return f"<Answer {self.status} {self.reason}: {len(self.body)} bytes of {self.url}>"
