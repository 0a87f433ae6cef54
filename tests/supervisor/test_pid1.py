"""The master as PID 1, as in a container: in a PID namespace of its own, which dies with it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

import psutil
import pytest

from tests.supervisor.masters import Master, all_gone, until

Make = Callable[..., Master]

pytestmark = pytest.mark.needs("unshare")

_ROOT = ["--map-root-user"] if os.geteuid() != 0 else []
# as `unshare --mount-proc` does it, which wants the root folder to be a mount point, and in a chroot it is none
_OWN_PROC = 'mount --make-private /proc && mount -t proc proc /proc && exec "$@"'
_UNSHARE = ("unshare", *_ROOT, "--pid", "--fork", "--mount", "--propagation", "unchanged", "sh", "-c", _OWN_PROC, "sh")
_PROGRAM = (*_UNSHARE, sys.executable, "-m", "tests.supervisor.echo")


def start(served: Master, workers: int = 1) -> psutil.Process:
    """Start it, and give the process that is PID 1 in there."""
    served.start(program=_PROGRAM)
    for _ in range(workers):
        served.wait_for(r"\[1\] \[info\] worker \d+ gen 1 \[\d+\] is ready")
    (first,) = psutil.Process(served.process.pid).children()
    return first


def test_serves_reloads_and_upgrades(master: Make) -> None:
    served = master(config={"workers": 2})
    first = start(served, 2)
    until(lambda: len(first.children()) == 3, "zygote and workers are its children")
    assert int(served.ask().split()[0]) < 100
    first.send_signal(signal.SIGHUP)
    served.wait_for("reload done: generation 2")
    first.send_signal(signal.SIGUSR2)
    served.wait_for("upgrade done")
    first.send_signal(signal.SIGHUP)
    served.wait_for("reload done: generation 3")
    first.send_signal(signal.SIGTTIN)
    served.wait_for("worker 2 gen 3 .* is ready")
    first.send_signal(signal.SIGUSR1)
    served.wait_for("log files reopened")
    assert served.ask().split()[2] == "3"
    first.send_signal(signal.SIGTERM)
    assert served.wait() == 0
    assert "[error]" not in served.text()


def test_reaps_what_others_leave_behind(master: Make) -> None:
    served = master()
    first = start(served)
    until(lambda: len(first.children()) == 2, "zygote and worker only")
    for when in ("before", "after"):
        for _ in range(5):
            assert served.ask("orphan")
        assert len(first.children()) > 2, "they are its children"
        until(lambda: len(first.children()) == 2, f"no zombie of them {when} an upgrade")
        first.send_signal(signal.SIGUSR2)
        served.wait_for("upgrade done")
    assert "[warning]" not in served.text()
    first.send_signal(signal.SIGTERM)
    assert served.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_stops_as_asked_and_takes_everything_with_it(master: Make, number: signal.Signals) -> None:
    served = master(config={"workers": 2})
    first = start(served, 2)
    everything = served.descendants()
    first.send_signal(number)
    assert served.wait() == 0
    assert all_gone(everything, 0.5)


def test_a_second_term_stops_at_once(master: Make) -> None:
    served = master()
    first = start(served)
    with served.hold("hold 30") as held:
        worker = first.children(recursive=True)
        until(lambda: any(process.net_connections("tcp") for process in worker), "the worker holds")
        first.send_signal(signal.SIGTERM)
        served.wait_for("stopping")
        time.sleep(0.6)  # sooner, it is the first one still
        first.send_signal(signal.SIGTERM)
        assert served.wait() == 0
        assert held.recv(1) == b""


def test_kill_ends_everything(master: Make) -> None:
    served = master(config={"workers": 2})
    first = start(served, 2)
    everything = served.descendants()
    first.kill()
    served.wait()
    assert all_gone(everything, 1.0)


@pytest.mark.parametrize(
    ("settings", "status"), [({"load": "raise"}, 3), ({"config": {"workers": 0}}, 2), ({"config": {"binds": ["x"]}}, 4)]
)
def test_exit_status(master: Make, settings: dict[str, object], status: int) -> None:
    served = master(**settings).start(program=_PROGRAM)
    assert served.wait() == status
