"""The `master` fixture: makes masters, kills each at the end of the test, and shows their logs if it failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.supervisor.masters import Master


@pytest.fixture
def master(tmp_path: Path) -> Iterator[Callable[..., Master]]:
    made: list[Master] = []

    def make(**settings: object) -> Master:
        folder = tmp_path / f"master{len(made)}"
        folder.mkdir()
        made.append(Master(folder, **settings))  # type: ignore[arg-type]  # checked by Master
        return made[-1]

    yield make
    for each in made:
        each.end()
        print(f"-- error log of {each.folder.name}:\n{each.text()}")
