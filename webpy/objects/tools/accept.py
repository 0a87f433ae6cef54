"""The tool `accept`: which of a page's media types the client prefers (RFC 9110 section 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence

from ..messages.errors import HTTPError
from ..process.serving import request

__all__ = ["accept"]


def accept(media: str | Sequence[str] | None = None, debug: bool = False) -> str | None:
    """Return the media type of `media` that has the greatest weight in Accept; the first without that field.

    As a tool it only refuses requests; a page with several representations calls it and sends the one returned. With
    `media=None` it accepts every request and returns None. Raises HTTPError 406 if the client accepts none of `media`.
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
