"""When a server is ready, by its status."""

from __future__ import annotations

import pytest

from tests.admin.sample import sample, worker
from webpy.admin.readiness import unready


@pytest.mark.parametrize("stage", ["starting", "delaying", "stopping", "killing"])
def test_not_while_starting_or_stopping(stage: str) -> None:
    assert stage in unready(sample(stage=stage))


def test_not_without_a_worker_that_accepts() -> None:
    assert "no worker accepts" in unready(sample(workers=[]))
    states = ("boot", "stuck", "draining", "killed", "gone")
    assert "no worker accepts" in unready(sample(workers=[worker(i, state=state) for i, state in enumerate(states)]))


def test_one_worker_will_do() -> None:
    assert unready(sample(workers=[worker(0, state="boot"), worker(1)])) == ""


def test_a_reload_does_not_matter() -> None:
    reload = {"phase": "rolling", "number": 4, "done": 1, "of": 2, "last": None}
    assert unready(sample(reload=reload)) == ""
