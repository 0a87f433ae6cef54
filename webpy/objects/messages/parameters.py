"""Owns parameters: those of a query, and those of a body of type `application/x-www-form-urlencoded`."""

from __future__ import annotations

import re
from typing import Any

from ...protocol.grammar import urlencoded_pairs
from .entity import Entity, undecodable
from .errors import HTTPError

__all__ = ["add_param", "parse_query_string", "process_urlencoded"]


_MAX_PARAMS = 10_000
_IMAGE_MAP = re.compile("[0-9]+,[0-9]+")


def add_param(params: dict[str, Any], name: str, value: Any) -> None:
    """Set a parameter. If there is one of this name already, the value becomes a list of both."""
    if name not in params:
        params[name] = value
    elif isinstance(params[name], list):
        params[name].append(value)
    else:
        params[name] = [params[name], value]


def process_urlencoded(entity: Entity) -> None:
    """Read the parameters of an `application/x-www-form-urlencoded` body into `entity.params`.

    Raises HTTPError 413 for too many of them, 400 if none of the entity's charsets can decode them.
    """
    body = entity.fp.read().replace(b";", b"&")
    if body.count(b"&") >= _MAX_PARAMS:
        raise HTTPError(413, f"The form has more than {_MAX_PARAMS} parameters.")
    pairs = list(urlencoded_pairs(body))
    for charset in entity.attempt_charsets:
        try:
            found = [(name.decode(charset), value.decode(charset)) for name, value in pairs]
        except (UnicodeDecodeError, LookupError):
            continue
        entity.charset = charset
        for name, value in found:
            add_param(entity.params, name, value)
        return
    raise undecodable(entity.attempt_charsets)


def parse_query_string(query: str, keep_blank_values: bool = True, encoding: str = "utf-8") -> dict[str, Any]:
    """Return the parameters of a query: text, or a list of texts for a repeated name; for an image map's, x and y.

    keep_blank_values: keep parameters without a value. Raises UnicodeDecodeError if `encoding` cannot decode one.
    """
    if _IMAGE_MAP.match(query):
        x, y = query.split(",")[:2]
        return {"x": int(x), "y": int(y)}
    params: dict[str, Any] = {}
    for name, value in urlencoded_pairs(query.replace(";", "&").encode(encoding)):
        if value or keep_blank_values:
            add_param(params, name.decode(encoding), value.decode(encoding))
    return params
