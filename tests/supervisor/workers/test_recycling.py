"""Workers that are replaced because they have served enough, under real masters."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests.supervisor.masters import Master, until

pytestmark = pytest.mark.slow

Make = Callable[..., Master]


def pids(served: Master) -> set[int]:
    return {process.pid for process in served.titled("worker")}


def test_so_many_requests_and_never_two_at_once(master: Make) -> None:
    config = {"workers": 2, "max_requests": 5, "max_requests_jitter": 3}
    served = master(config=config, drain_s=0.2).start().started(2)
    before = pids(served)
    most = 0
    answers: Counter[int] = Counter()
    while before & pids(served):
        with served.hold("hold 0.01") as busy:  # so that the other worker has its part
            answers[int(served.ask().split()[0])] += 1
            answers[int(busy.makefile("rb").readline().split()[0])] += 1
        most = max(most, len(pids(served)))
    assert most <= 3, "one more than wanted at most: the replacement"
    assert all(count >= 5 for pid, count in answers.items() if pid in before)
    served.wait_for(r"exited with status 0 \(recycled: \d+ requests served, the limit is [5-8]\)", anew=False)
    assert "[error]" not in served.text()
    assert served.stop() == 0
    assert len(served.records()) == sum(answers.values())


def test_so_old(master: Make) -> None:
    served = master(config={"max_lifetime_s": 0.5}).start().started()
    began = time.monotonic()
    served.wait_for(r"worker 0 gen 1 .* is ready")
    served.wait_for(r"exited with status 0 \(recycled: \d s old, the limit is 0.5 s\)")
    assert 0.4 < time.monotonic() - began < 1.5
    assert served.stop() == 0


def test_so_large(master: Make) -> None:
    served = master(config={"max_memory_bytes": 60 << 20, "workers": 2}).start().started(2)
    before = pids(served)
    time.sleep(1.0)
    assert pids(served) == before
    pid = int(served.ask("grow 80").split()[0])
    served.wait_for(
        # found out while it still grew, maybe
        rf"\[{pid}\] exited with status 0 \(recycled: [6-9]\d\.\d MB of memory of its own, the limit is 60.0 MB\)"
    )
    assert len(pids(served) & before) == 1
    assert served.stop() == 0


def test_none_is_recycled_while_a_reload_runs(master: Make) -> None:
    served = master(config={"max_lifetime_s": 1.0, "workers": 2}).start().started(2)
    served.write_settings(load_s=1.2)
    served.signal(signal.SIGHUP)
    served.wait_for("reload done", timeout_s=8)
    until(lambda: "recycled" in served.text(), "after the reload they are")
    at = served.text().index("reload done")
    assert "recycled" not in served.text()[:at]
    assert served.stop() == 0


def test_a_successor_that_fails_leaves_the_old_one_serving(master: Make) -> None:
    config = {"max_lifetime_s": 0.4, "boot_timeout_s": 0.3}
    served = master(config=config, fail_after=1).start().started()
    pid = int(served.ask().split()[0])
    stamps = []
    for _ in range(4):
        served.wait_for(r"worker 0 gen 1 \[\d+\] did not become ready within 0.3 s")
        stamps.append(time.monotonic())
    assert int(served.ask().split()[0]) == pid
    assert stamps[3] - stamps[2] > stamps[1] - stamps[0], "it backs off"
    assert served.stop() == 0
