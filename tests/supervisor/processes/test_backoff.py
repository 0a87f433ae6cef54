from __future__ import annotations

from webpy.supervisor.processes.backoff import Backoff


def test_backoff_doubles_with_jitter_within_its_bounds() -> None:
    backoff = Backoff()
    delays = [backoff.failed() for _ in range(30)]
    for number, delay in enumerate(delays):
        step = 0.1 * 2**number
        assert min(30.0, 0.75 * step) <= delay <= min(30.0, 1.25 * step)
    backoff.succeeded()
    assert backoff.failed() < 0.2
