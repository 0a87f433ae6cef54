"""When the rings are drained: soon while records come, not at all while none do."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from webpy.supervisor import Scoreboard
from webpy.supervisor.eventloop import EventLoop
from webpy.supervisor.logs.accesslog import AccessLog
from webpy.supervisor.logs.drainer import Drainer


class Tree:
    """A scoreboard, a log and a loop that stops when the log has so many lines."""

    def __init__(self, path: Path, scoreboard: Scoreboard) -> None:
        self.path = path
        self.scoreboard = scoreboard
        self.loop = EventLoop(lambda number: None, lambda: None)
        self.log = AccessLog(str(path), lambda level, text: None)
        self.lines = 0
        rows = scoreboard.rows
        self.drainer = Drainer(self.loop, scoreboard, self.log, lambda: rows, self.count)

    def count(self) -> list[bytes]:
        if self.path.read_bytes().count(b"\n") >= self.lines > 0:
            self.loop.stop()
        return []

    def run_until(self, lines: int) -> None:
        self.lines = lines
        self.loop.after(10, self.loop.stop)
        self.loop.run()

    def close(self) -> None:
        self.log.close()
        self.loop.close()


def test_a_sleeper_is_woken_by_the_doorbell(tmp_path: Path) -> None:
    scoreboard = Scoreboard(1, 1)
    tree = Tree(tmp_path / "log", scoreboard)
    tree.loop.after(0.2, tree.loop.stop)
    tree.loop.run()
    assert scoreboard.asleep[0] == 1
    assert tree.loop._sleep_s() is None, "no timer while asleep"
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        scoreboard.rows[0].lead.write(b"wake\n")
        scoreboard.wake()
        os._exit(0)
    tree.loop._stopped = False
    tree.run_until(1)
    os.waitpid(pid, 0)
    assert (tmp_path / "log").read_bytes() == b"wake\n"
    assert time.monotonic() - began < 5
    tree.close()


def test_a_record_whose_writer_did_not_see_the_sleep_is_not_forgotten(tmp_path: Path) -> None:
    scoreboard = Scoreboard(1, 1)
    tree = Tree(tmp_path / "log", scoreboard)
    assert scoreboard.asleep[0] == 1
    scoreboard.rows[0].lead.write(b"unseen\n")  # and no doorbell
    tree.run_until(1)
    assert (tmp_path / "log").read_bytes() == b"unseen\n"
    tree.close()


def test_a_writer_that_waits_is_not_kept_waiting_for_the_rhythm(tmp_path: Path) -> None:
    scoreboard = Scoreboard(1, 1, ring_bytes=128)
    tree = Tree(tmp_path / "log", scoreboard)
    count = 2000  # 16 records a ring: 125 rounds of 20 ms would be 2.5 s
    pid = os.fork()
    if pid == 0:
        scoreboard.rows[0].lead.attach(waits=True)
        for number in range(count):
            scoreboard.rows[0].lead.write(b"%07d\n" % number)
        os._exit(0)
    try:
        tree.run_until(count)
        assert (tmp_path / "log").read_bytes() == b"".join(b"%07d\n" % number for number in range(count))
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        tree.close()
