"""Owns proactive content negotiation (RFC 9110 section 12): which of what the server has suits the client best.

    from webpy.negotiation import AcceptMixIn

    class Notes(AcceptMixIn):
        def do_get(self):
            if self.accept('application/json', 'text/html') == 'text/html':
                return 200, page()                  # Content-Type: text/html and Vary: Accept are set
            return 200, json_text()

`accept` answers 406 and lists the offers to a client that takes none of them; name the one first that is sent to
clients that do not mind. Mixes with other handlers, in any order. The functions beneath serve whoever negotiates by
himself: `best` for media types, `best_encoding` for content codings, `weigh` for any field of weighted members, `vary`
for the answer's Vary.

Takes values of fields as they came; several fields of one name are to be joined with ", ". Members that do not follow
the grammar are ignored, and a field of which nothing is left counts as absent (but an empty Accept-Encoding asks for
no coding). Digits of a weight beyond the third, which no client should send, are taken.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from .framework.answer import NO_SNIFFING, TEXT_TYPE
from .framework.errors import HTTPError
from .framework.handler import HTTPHandler

if TYPE_CHECKING:
    from .framework.headers import HTTPHeaders

__all__ = ["AcceptMixIn", "best", "best_encoding", "vary", "weigh"]

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = r'"(?:[^"\\]|\\.)*+"'
_ELEMENT = re.compile(rf'(?:[^",]|{_QUOTED}?)+')
"""An element of a list (RFC 9110 section 5.6.1): commas in quoted strings do not end it. A string that is not closed
is taken to the end, so that no quote of it is tried as a beginning."""
_NAME = re.compile(rf"[ \t]*({_TOKEN}(?:/{_TOKEN})?)[ \t]*(?=;|$)")
_PARAMETER = re.compile(rf"[ \t]*;[ \t]*(?:({_TOKEN})=({_TOKEN}|{_QUOTED}))?[ \t]*(?=;|$)")
_WEIGHT = re.compile(r"0(?:\.[0-9]*)?|1(?:\.0*)?")
_CACHED_CHARACTERS = 256  # what browsers send is shorter; longer values must not fill the memory
_ALIASES = {"x-gzip": "gzip", "x-compress": "compress"}  # RFC 9110 sections 8.4.1.1 and 8.4.1.3

_Type = tuple[str, frozenset[tuple[str, str]]]


def weigh(value: str) -> list[tuple[str, float]]:
    """The members of a weighted list with their weights, 0.0 to 1.0, in the order they came (RFC 9110 section 12.4.2).

    A member is in lower case but for the values of its parameters, which follow as `;name=value` without spaces.
    """
    return list(_weighed(value) if len(value) <= _CACHED_CHARACTERS else _weigh(value))


def best(value: str | None, offers: Sequence[str]) -> str | None:
    """The media type of `offers` that an Accept field likes best, None if it takes none (RFC 9110 section 12.5.1).

    value: the field, None when there was none; offers: media types, the server's favourite first, with parameters or
    without. The most specific range that fits an offer tells its weight, 0 excludes it, and of equals the first wins.
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
    """The content coding of `offers` that an Accept-Encoding field likes best (RFC 9110 section 12.5.3).

    value: the field, None when there was none; offers: codings but `identity`, the server's favourite first. None
    stands for `identity`, no coding: when the client prefers it, takes none of the offers, or does not say what it
    takes. (It also is the answer to a client that refuses `identity` and takes none of the offers.)
    """
    weights: dict[str, float] = {}
    for member, weight in weigh(value or ""):
        weights.setdefault(_ALIASES.get(member, member), weight)
    others = weights.get("*", 0.0)
    chosen, chosen_weight = None, weights.get("identity", others)
    for offer in offers:
        weight = weights.get(offer.lower(), others)
        # Who names no preference for identity takes a coding of equal weight: that is what he asked for.
        if weight > chosen_weight or (chosen is None and weight == chosen_weight > 0.0):
            chosen, chosen_weight = offer, weight
    return chosen


def vary(headers: HTTPHeaders, name: str) -> None:
    """Say in the answer's Vary that the request's field `name` told which answer it was (RFC 9110 section 12.5.5)."""
    if headers.get("Vary") != "*":
        headers.add_member("Vary", name)


class AcceptMixIn(HTTPHandler):
    """For a handler that has several representations of what it answers with."""

    def accept(self, *offers: str) -> str:
        """The media type of `offers` to answer with; it is set as Content-Type, and Vary names Accept.

        Raises HTTPError 406, which lists the offers, when the client takes none of them (RFC 9110 section 15.5.7).
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


def _weigh(value: str) -> tuple[tuple[str, float], ...]:
    found = (_member(element) for element in _ELEMENT.findall(value))
    return tuple(member for member in found if member is not None)


_weighed = lru_cache(256)(_weigh)


def _member(element: str) -> tuple[str, float] | None:
    """Member and weight of an element of the list; None for one that is against the grammar, or empty."""
    name = _NAME.match(element)
    if name is None:
        return None
    member, weight, place = name[1].lower(), None, name.end()
    while place < len(element):
        parameter = _PARAMETER.match(element, place)
        if parameter is None:
            return None
        place = parameter.end()
        if parameter[1] is None or weight is not None:
            continue  # what follows the weight were extensions of Accept, which RFC 9110 dropped
        if parameter[1] in "qQ":
            if not _WEIGHT.fullmatch(parameter[2]):
                return None
            weight = float(parameter[2])
        else:
            member += f";{parameter[1].lower()}={parameter[2]}"
    return member, 1.0 if weight is None else weight


def _media_type(text: str) -> _Type:
    """A media type, or a range of them, and its parameters, ready to be compared."""
    name, *_ = text.partition(";")
    parameters = frozenset(
        (parameter[1].lower(), parameter[2].strip('"').lower())
        for parameter in _PARAMETER.finditer(text, len(name))
        if parameter[1] is not None
    )
    return name.strip().lower(), parameters


def _weight_of(offer: _Type, ranges: list[tuple[_Type, float]]) -> float:
    """The weight that the most specific of the ranges gives to a media type; 0 if none fits it."""
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
