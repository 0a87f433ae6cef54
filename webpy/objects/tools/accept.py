"""The tool `accept`: which of a page's media types the client takes (RFC 9110 section 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence

from ..messages.errors import HTTPError
from ..process.serving import request

__all__ = ["accept"]


def accept(media: str | Sequence[str] | None = None, debug: bool = False) -> str | None:
    """The media type of `media` that the Accept field names with the greatest weight; 406 if it names none of them.

    As a tool it only refuses; a page handler that has several representations calls it and gets the one to send. The
    first of `media` is for clients that do not mind. None refuses nobody, and gives None.
    """
    if not media:
        return None
    offers = [media] if isinstance(media, str) else list(media)
    ranges = request.headers.elements("Accept")
    if not ranges:
        return offers[0]
    for wanted in ranges:  # in the order of their weights
        if wanted.qvalue <= 0:
            continue
        found = _first_within(str(wanted.value), offers)
        if found is not None:
            return found
    sent = request.headers.get("Accept")
    raise HTTPError(
        406,
        f"Your client sent this Accept header: {sent}. But this resource only emits these media types: "
        f"{', '.join(offers)}.",
    )


def _first_within(wanted: str, offers: list[str]) -> str | None:
    if wanted == "*/*":
        return offers[0]
    if wanted.endswith("/*"):
        return next((offer for offer in offers if offer.startswith(wanted[:-1])), None)
    return wanted if wanted in offers else None
