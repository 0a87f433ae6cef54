"""`rig`: makes worker parts (see rig.py), and gives them back when the test ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.worker.rig import Rig


@pytest.fixture
def rig() -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []

    def make(*arguments: Any, **given: Any) -> Rig:
        made.append(Rig(*arguments, **given))
        return made[-1]

    yield make
    for one in made:
        one.close()
