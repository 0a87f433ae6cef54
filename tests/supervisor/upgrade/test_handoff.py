"""The hand-off: descriptors and a document go through an exec, once, and only to this process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from tests.supervisor.masters import ROOT
from webpy.supervisor.scoreboard.layout import Cell
from webpy.supervisor.scoreboard.scoreboard import Scoreboard
from webpy.supervisor.upgrade import handoff as handoff_module
from webpy.supervisor.upgrade.handoff import (
    STATE_VARIABLE,
    Handoff,
    compatibility,
    inherited_descriptor,
    inherited_state,
)


@pytest.fixture(autouse=True)
def _nothing_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handoff_module, "_received", None)
    monkeypatch.delenv(STATE_VARIABLE, raising=False)


def test_a_document_and_its_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    handoff = Handoff()  # whose document is closed by whoever has read it
    left, right = socket.socketpair()
    with left, right:
        assert handoff.keep(left) == left.fileno()
        assert handoff.keep(right.fileno()) == right.fileno()
        assert handoff.keep(-1) == -1
        monkeypatch.setenv(STATE_VARIABLE, handoff.open({"keeps": {"x": left.fileno()}, "folder": "/\udcff"}))
        assert os.get_inheritable(left.fileno())
        document = inherited_state()
        assert document is not None
        assert document["folder"] == "/\udcff", "any path there is"
        assert document["terms"] == compatibility()
        assert not os.get_inheritable(left.fileno()), "not any more, now that they have arrived"
        assert STATE_VARIABLE not in os.environ
        assert inherited_state() is document, "as often as it is asked for"
        assert inherited_descriptor("x") == left.fileno()
        assert inherited_descriptor("y") is None


def test_taken_back() -> None:
    handoff = Handoff()
    with socket.socket() as sock:
        handoff.keep(sock)
        number = int(handoff.open({}).partition(":")[0])
        handoff.close()
        assert not os.get_inheritable(sock.fileno())
        with pytest.raises(OSError):
            os.fstat(number)


@pytest.mark.parametrize("told", ["", "5", "x:1", f"99999:{os.getpid()}", "0:1"])
def test_what_is_not_for_this_process_is_not_taken(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STATE_VARIABLE, told)
    assert inherited_state() is None
    assert inherited_descriptor("x") is None
    assert STATE_VARIABLE not in os.environ, "and not passed on"


def test_compatibility_is_equal_in_every_process_and_depends_on_the_scoreboard(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "from webpy.supervisor.upgrade.handoff import compatibility; print(compatibility())"
    command = [sys.executable, "-c", code]
    other = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, timeout=20).stdout.strip()
    assert other == compatibility()
    monkeypatch.setattr("webpy.supervisor.scoreboard.layout.TEXT_BYTES", 200)
    assert other != compatibility()


def test_a_scoreboard_with_all_that_is_in_it() -> None:
    scoreboard = Scoreboard(3, 2, 4096, 4096)
    scoreboard.rows[1].cells[Cell.ACCEPTED] = 7
    scoreboard.rows[2].lead.write(b"a record\n")
    scoreboard.load[1] = 3
    kept = json.loads(json.dumps(scoreboard.keep(Handoff())))
    heir = Scoreboard.restore(kept)
    try:
        assert heir.rows[1].cells[Cell.ACCEPTED] == 7
        assert b"".join(heir.rows[2].lead.pending()) == b"a record\n"
        assert heir.load[1] == 3
        scoreboard.rows[2].lead.write(b"one more\n")
        heir.rows[2].lead.advance(9)
        assert b"".join(heir.rows[2].lead.pending()) == b"one more\n", "it is the same memory"
    finally:
        scoreboard.close()
