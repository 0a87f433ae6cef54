"""`rig`: makes worker parts (see rig.py), and gives them back when the test ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.worker.rig import Rig
from webpy.supervisor import Adoption


@pytest.fixture
def rig() -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []

    def make(*arguments: Any, **given: Any) -> Rig:
        made.append(Rig(*arguments, **given))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def adoption() -> Iterator[Adoption]:
    """An adoption socket, which several rigs may share."""
    one = Adoption()
    yield one
    one.close()
