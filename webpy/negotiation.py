"""Proactive content negotiation (RFC 9110 section 12), which finds the representation that a client prefers.

    from webpy.negotiation import AcceptMixIn

    class Notes(AcceptMixIn):
        def do_get(self):
            if self.accept('application/json', 'text/html') == 'text/html':
                return 200, page()                  # Content-Type: text/html and Vary: Accept are set
            return 200, json_text()

`accept` answers 406, with a list of the offers, if the client accepts none of them. List first what clients without a
preference are to get. The mix-in may stand in any order with others. To negotiate without it, there are `best` for
media types, `best_encoding` for content codings, `weigh` for any field of weighted members, and `vary` for the answer's
Vary.

The functions take a field's value as it was sent; join several fields of one name with ", ". Members that do not follow
the grammar are ignored, and a field of which nothing is left counts as absent (but an empty Accept-Encoding asks for
no coding). More than three digits of a weight, which no client should send, are accepted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .framework.answer import NO_SNIFFING, TEXT_TYPE
from .framework.errors import HTTPError
from .framework.handler import HTTPHandler
from .protocol.grammar import media_type, parameters, weigh

if TYPE_CHECKING:
    from .framework.headers import HTTPHeaders

__all__ = ["AcceptMixIn", "best", "best_encoding", "vary", "weigh"]

_ALIASES = {"x-gzip": "gzip", "x-compress": "compress"}  # RFC 9110 sections 8.4.1.1 and 8.4.1.3

_Type = tuple[str, frozenset[tuple[str, str]]]


def best(value: str | None, offers: Sequence[str]) -> str | None:
    """Return the media type of `offers` that an Accept field prefers, None if it accepts none (RFC 9110 section
    12.5.1).

    value: the field, None if there was none; offers: media types, with or without parameters, what the server prefers
    first. The weight of an offer is that of the most specific range that fits it; 0 excludes it. Of several offers with
    the same weight the first is returned.
    """
    ranges = [(_media_type(member), weight) for member, weight in weigh(value or "")]
    if not ranges:
        return offers[0] if offers else None
    chosen, chosen_weight = None, 0.0
    for offer in offers:
        weight = _weight_of(_media_type(offer), ranges)
        if weight > chosen_weight:
            chosen, chosen_weight = offer, weight
    return chosen


def best_encoding(value: str | None, offers: Sequence[str]) -> str | None:
    """Return the content coding of `offers` that an Accept-Encoding field prefers (RFC 9110 section 12.5.3).

    value: the field, None if there was none; offers: codings other than `identity`, what the server prefers first.
    Returns None, for `identity`, if the client prefers that, accepts none of the offers, or sent no such field. (Also
    if it refuses `identity` and accepts none of the offers.)
    """
    weights: dict[str, float] = {}
    for member, weight in weigh(value or ""):
        weights.setdefault(_ALIASES.get(member, member), weight)
    others = weights.get("*", 0.0)
    chosen, chosen_weight = None, weights.get("identity", others)
    for offer in offers:
        weight = weights.get(offer.lower(), others)
        # At equal weight a coding wins over identity: the client asked for it.
        if weight > chosen_weight or (chosen is None and weight == chosen_weight > 0.0):
            chosen, chosen_weight = offer, weight
    return chosen


def vary(headers: HTTPHeaders, name: str) -> None:
    """Add the request's field `name`, on which the answer depends, to the answer's Vary (RFC 9110 section 12.5.5)."""
    if headers.get("Vary") != "*":
        headers.add_member("Vary", name)


class AcceptMixIn(HTTPHandler):
    """Put in front of a handler that has several representations of what it answers with."""

    def accept(self, *offers: str) -> str:
        """Return the media type of `offers` to answer with; sets it as Content-Type, and adds Accept to Vary.

        Raises HTTPError 406, which lists the offers, if the client accepts none of them (RFC 9110 section 15.5.7).
        """
        headers = self.response.headers
        vary(headers, "Accept")
        chosen = best(", ".join(self.request.headers.getlist("Accept")) or None, offers)
        if chosen is None:
            error_headers = headers.copy()
            error_headers.set("Content-Type", TEXT_TYPE)
            error_headers.set(*NO_SNIFFING)
            raise HTTPError(406, "".join(f"{offer}\n" for offer in offers), error_headers)
        headers.set("Content-Type", chosen)
        return chosen


def _media_type(text: str) -> _Type:
    """Return a media type or range in lower case and its parameters, ready to be compared."""
    return media_type(text), frozenset((name, value.strip('"').lower()) for name, value in parameters(text))


def _weight_of(offer: _Type, ranges: list[tuple[_Type, float]]) -> float:
    """Return the weight that the most specific of the ranges gives to a media type; 0 if none fits it."""
    name, parameters = offer
    specificity, found = (-1, 0), 0.0
    for (range_name, range_parameters), weight in ranges:
        if range_name == name:
            level = 2
        elif range_name == name.partition("/")[0] + "/*":
            level = 1
        elif range_name == "*/*":
            level = 0
        else:
            continue
        if range_parameters <= parameters and (level, len(range_parameters)) > specificity:
            specificity, found = (level, len(range_parameters)), weight
    return found
