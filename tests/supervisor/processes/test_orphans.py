"""Nothing outlives the master, however it ended and whatever keeps its workers busy."""

from __future__ import annotations

import os
import pwd
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.server import Server
from webpy.supervisor.control.client import ControlClient

from ..masters import Master, all_gone, until

Make = Callable[..., Master]

STUCK = """
import re

import webpy as web


class Stuck(web.HTTPHandler):
    def do_get(self):
        re.match("(a+)+$", "a" * 40 + "b")  # takes hours, and holds the GIL


routes = {"/stuck": Stuck}
"""


def free(address: tuple[str, int]) -> bool:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(address)
            sock.listen()
        except OSError:
            return False
        return True


def is_freed(address: tuple[str, int]) -> bool:
    """Whether the port is free, or soon: a process is a zombie before the last of its threads has let go of it."""
    until(lambda: free(address), "nobody holds the port", timeout_s=1.0)
    return True


@pytest.fixture
def stuck(master: Make, tmp_path: Path) -> Iterator[Master]:
    """A master of two workers that both hold the GIL in C, the zygote and they as another user, if that can be."""
    path = tmp_path / "control"
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    served = master(config={"workers": 2, "user": user, "control": str(path)}).start().started(2)
    held = []
    for number in (1, 2):
        held.append(served.hold("gil"))
        until(lambda number=number: running(path) == number, f"{number} hold it")
    yield served
    for each in held:
        each.close()


def running(path: Path) -> int:
    with ControlClient(path) as client:
        return sum(bool(worker["running"]) for worker in client.ask("status", 10)["status"]["workers"])


def zygote(served: Master) -> psutil.Process:
    (found,) = served.titled("loader")
    return found


def test_workers_stuck_in_c_die_with_the_master(stuck: Master) -> None:
    address, children = stuck.address, stuck.descendants()
    assert len(children) == 3
    stuck.signal(signal.SIGKILL)
    assert all_gone(children, 5.0)
    assert is_freed(address)


def test_workers_outlive_their_zygote_and_die_with_the_master_all_the_same(stuck: Master) -> None:
    address, workers = stuck.address, stuck.titled("worker")
    zygote(stuck).kill()
    stuck.wait_for("loader gen 1 .* was killed")
    stuck.wait_for("loader gen 1 .* is ready")
    assert {each.pid for each in workers} == {each.pid for each in stuck.titled("worker")}
    children = stuck.descendants()
    stuck.signal(signal.SIGKILL)
    assert all_gone(children, 5.0)
    assert is_freed(address)


def test_both_are_killed(stuck: Master) -> None:
    address, children = stuck.address, stuck.descendants()
    stuck.signal(signal.SIGSTOP)  # so that it sees nothing of the zygote's end
    zygote(stuck).kill()
    stuck.signal(signal.SIGKILL)
    assert all_gone(children, 5.0)
    assert is_freed(address)


def test_after_an_upgrade(stuck: Master) -> None:
    address = stuck.address
    stuck.signal(signal.SIGUSR2)
    stuck.wait_for("upgrade done")
    children = stuck.descendants()
    stuck.signal(signal.SIGKILL)
    assert all_gone(children, 5.0)
    assert is_freed(address)


def test_a_worker_that_drains_outlives_its_zygote(master: Make) -> None:
    served = master().start().started()
    old = zygote(served)
    with served.hold("hold 1.5") as held:
        served.signal(signal.SIGHUP)
        served.wait_for("reload done")
        assert all_gone([old], 5.0)
        assert held.makefile().readline().split()[2] == "1"
    assert served.stop() == 0


@pytest.mark.parametrize("after_s", [0.0, 0.004, 0.008, 0.016, 0.032])
def test_a_master_that_dies_while_workers_are_born(master: Make, after_s: float) -> None:
    served = master(config={"workers": 16}).start()
    address = served.address  # it is said as the first workers are forked
    time.sleep(after_s)  # at any moment, of no meaning
    served.signal(signal.SIGKILL)
    until(lambda: free(address), "nobody holds the port")


def test_a_real_server(serve: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(STUCK)
    server = serve(tmp_path / "app.py", "--request-timeout", "0", "--workers", "2")
    said = [server.wait_for(rf"{kind} gen 1 \[\d+\] is ready") for kind in ("loader", "worker 0", "worker 1")]
    children = [psutil.Process(int(re.findall(r"\[(\d+)\] is ready", line)[0])) for line in said]
    with server.connect() as held:
        held.sendall(b"GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n")
        spent_s = sum(map(cpu_s, children))
        until(lambda: sum(map(cpu_s, children)) > spent_s + 0.3, "the worker is stuck")
        server.send(signal.SIGKILL)
        assert all_gone(children, 5.0)
        assert is_freed(server.address)


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
