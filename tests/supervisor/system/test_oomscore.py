"""The kernel's choice when memory runs out: a child, and not its master."""

from __future__ import annotations

from pathlib import Path

import pytest

from webpy.supervisor.system.oomscore import be_ended_first


@pytest.mark.parametrize(("before", "after"), [("0\n", "100"), ("-500\n", "-400"), ("950\n", "1000")])
def test_the_score_rises(tmp_path: Path, before: str, after: str) -> None:
    file = tmp_path / "oom_score_adj"
    file.write_text(before)
    be_ended_first(file)
    assert file.read_text() == after


def test_a_system_without_it(tmp_path: Path) -> None:
    be_ended_first(tmp_path / "none")
    (tmp_path / "odd").write_text("?")
    be_ended_first(tmp_path / "odd")
    assert (tmp_path / "odd").read_text() == "?"
