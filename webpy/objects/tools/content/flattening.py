"""The tool `flatten`: bodies of generators that yield generators."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from typing import Any

from ...process.serving import response

__all__ = ["flatten"]


def flatten(debug: bool = False) -> None:
    """Make one flat iterator of a body whose pieces may be generators, at any depth."""
    response.body = _flat(response.body)


def _flat(body: Iterable[Any]) -> Iterator[Any]:
    for piece in body:
        if isinstance(piece, types.GeneratorType):
            yield from _flat(piece)
        else:
            yield piece
