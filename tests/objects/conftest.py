"""Pairs of servers that all tests of a module share: starting one costs more than a table of requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from .sidebyside import Pair


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Pair]]:
    """Return `pair(script, **options) -> Pair`, which runs a script on CherryPy and on webpy until the module ends."""
    pytest.importorskip("cherrypy")
    pairs: list[Pair] = []

    def start(script: object, **options: object) -> Pair:
        pairs.append(Pair(script, tmp_path_factory.mktemp("pair"), **options))  # type: ignore[arg-type]
        return pairs[-1]

    yield start
    for each in pairs:
        each.kill()
