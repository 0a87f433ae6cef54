from __future__ import annotations

from webpy.supervisor.workers.worker import Slot


def test_the_pause_after_workers_that_served_is_no_long_outage() -> None:
    """A client that asks again at once for what crashes them can kill each before another is READY."""
    slot = Slot(0)
    assert max(slot.pause.failed() for _ in range(50)) <= 0.25


def test_workers_that_never_served_are_tried_ever_later() -> None:
    slot = Slot(0)
    delays = [slot.backoff.failed() for _ in range(20)]
    assert delays[0] < 0.2 and 20 < delays[-1] <= 30
    slot.backoff.succeeded()
    assert slot.backoff.failed() < 0.2
