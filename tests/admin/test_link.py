"""The link to the master: how often it asks, who waits, and what it says when no answer comes."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from webpy.admin import link as link_module
from webpy.admin.link import Link, NoAnswer


class Master:
    """Answers what it is told to; counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.trouble: Exception | None = None
        self.reply: dict[str, Any] = {"ok": True, "text": "", "status": {"pid": 1}}
        self.at_once = 0
        self.inside = threading.Semaphore(1)

    def ask(self, command: str, timeout_s: float | None = None, **arguments: Any) -> dict[str, Any]:
        assert self.inside.acquire(blocking=False), "two threads at once on the connection"
        try:
            assert timeout_s is not None
            self.asked.append(command)
            if self.trouble is not None:
                raise self.trouble
            return self.reply
        finally:
            self.inside.release()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(link_module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(link_module.time, "time", lambda: 1_000_000 + now[0])
    return now


def test_the_master_is_asked_at_most_twice_a_second(clock: list[float]) -> None:
    master = Master()
    link = Link(master)
    threads = [threading.Thread(target=link.snapshot) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert master.asked == ["status"]
    clock[0] += 0.49
    link.snapshot()
    assert len(master.asked) == 1
    clock[0] += 0.02
    assert link.snapshot().status == {"pid": 1}
    assert len(master.asked) == 2


def test_a_command_makes_the_next_status_fresh(clock: list[float]) -> None:
    master = Master()
    link = Link(master)
    link.snapshot()
    assert link.command("scale", workers=3)["ok"]
    link.snapshot()
    assert master.asked == ["status", "scale", "status"]


@pytest.mark.parametrize("trouble", [TimeoutError("no answer in time"), ConnectionResetError("gone")])
def test_no_answer_says_since_when_and_is_cached_too(clock: list[float], trouble: Exception) -> None:
    master = Master()
    link = Link(master)
    link.snapshot()
    clock[0] += 5
    master.trouble = trouble
    for _ in range(3):
        with pytest.raises(NoAnswer, match=str(trouble)) as caught:
            link.snapshot()
        assert caught.value.since == 1_000_100
    assert len(master.asked) == 2
    with pytest.raises(NoAnswer):
        link.command("reload", wait=False)
    master.trouble = None
    clock[0] += 1
    assert link.snapshot().at == 1_000_106


def test_a_master_that_refuses(clock: list[float]) -> None:
    master = Master()
    master.reply = {"ok": False, "text": "not now"}
    with pytest.raises(NoAnswer, match="not now") as caught:
        Link(master).snapshot()
    assert caught.value.since is None
