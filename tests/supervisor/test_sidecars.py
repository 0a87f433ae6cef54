from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable

from .masters import Master, all_gone, until

Make = Callable[..., Master]


def beside(binds: tuple[str, ...] = ("127.0.0.1:0",), **more: str) -> list[dict[str, object]]:
    return [{"title": "page", "binds": binds, **more}]


def up(served: Master) -> Master:
    for what in (r"page \[\d+\] is ready", r"worker 0 gen 1 \[\d+\] is ready"):
        served.wait_for(what, anew=False)
    return served


def ask(served: Master, line: str = "fds") -> tuple[int, int, dict[str, object]]:
    """Its pid, its user, and what it answers; pid 0 when it ended without an answer."""
    host, port = served.wait_for(r"page on (.*):(\d+)$", anew=False).groups()
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(line.encode() + b"\n")
        reply = connection.makefile("r").readline()
    pid, uid, about = reply.split(" ", 2) if reply else ("0", "0", "{}")
    return int(pid), int(uid), json.loads(about)


def test_runs_beside_the_workers_and_ends_with_the_master(master: Make) -> None:
    served = up(master(sidecars=beside()).start())
    children = served.descendants()
    pid, _, _ = ask(served)
    assert pid in [child.pid for child in children] and served.ask()
    assert served.titled("echo: page")
    assert served.stop() == 0
    assert all_gone(children, 1.0)


def test_is_made_again_when_it_dies(master: Make) -> None:
    served = up(master(sidecars=beside(), config={"healthy_after_s": 0}).start())
    pids = {ask(served)[0]}
    for _ in range(3):
        ask(served, "die 7")
        served.wait_for(r"page \[\d+\] exited with status 7")
        served.wait_for(r"page \[\d+\] is ready")
        pids.add(ask(served)[0])
    os.kill(max(pids), signal.SIGKILL)
    served.wait_for(r"page \[\d+\] was killed by SIGKILL")
    served.wait_for(r"page \[\d+\] is ready")
    assert len(pids) == 4 and served.ask()


def test_has_no_descriptors_but_its_own(master: Make) -> None:
    served = up(master(sidecars=beside()).start())
    kinds = sorted(str(target).split(":")[0] for fd, target in ask(served)[2].items() if int(fd) > 2)
    # listener, channel, control, this connection; doorbell and scoreboard of its own; os.listdir's own
    # and the socket that its records for the error log go to;
    # the master's doorbell and scoreboard, which it was forked with, stay open: nothing writes to them
    assert kinds.count("socket") == 5, kinds
    assert "gone" in kinds and not [kind for kind in kinds if kind.endswith(".log")]


def test_a_reload_leaves_it_alone_unless_it_changes(master: Make) -> None:
    served = up(master(sidecars=beside()).start())
    pid = ask(served)[0]
    served.signal(signal.SIGHUP)
    served.wait_for("reload done")
    assert ask(served)[0] == pid

    served.write_settings(sidecars=beside(key="another"))
    served.signal(signal.SIGHUP)
    served.wait_for("reload done")
    served.wait_for(r"page \[\d+\] is ready")
    assert ask(served)[0] != pid, "on the same address"

    served.write_settings(sidecars=[])
    served.signal(signal.SIGHUP)
    served.wait_for("reload done")
    until(lambda: not served.titled("echo: page"), "no page")
    assert served.ask()


def test_a_reload_that_fails_changes_nothing(master: Make) -> None:
    served = up(master(sidecars=beside()).start())
    pid = ask(served)[0]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        served.write_settings(sidecars=beside((f"127.0.0.1:{taken.getsockname()[1]}",)))
        served.signal(signal.SIGHUP)
        served.wait_for("reload failed.*cannot bind")
    assert ask(served)[0] == pid
    served.write_settings(sidecars=beside(("127.0.0.1:0", "127.0.0.2:0")), load="raise")
    served.signal(signal.SIGHUP)
    served.wait_for("reload failed")
    assert ask(served)[0] == pid and len(served.titled("echo: page")) == 1


def test_an_address_that_is_taken_ends_the_start(master: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        served = master(sidecars=beside((f"127.0.0.1:{taken.getsockname()[1]}",))).start()
        assert served.wait() == 4


def test_ends_when_its_master_is_killed(master: Make) -> None:
    served = up(master(sidecars=beside()).start())
    children = served.descendants()
    served.signal(signal.SIGKILL)
    assert all_gone(children, 2.0)


def test_an_upgrade_ends_it_in_order_and_starts_it_anew(master: Make) -> None:
    served = up(master(sidecars=beside()).start())
    pid = ask(served)[0]
    served.signal(signal.SIGUSR2)
    served.wait_for("upgrade done")
    served.wait_for(r"page \[\d+\] is ready")
    assert ask(served)[0] != pid and "orphaned" not in served.text()


def test_it_commands_its_master(master: Make) -> None:
    served = up(master(sidecars=beside()).start())
    assert ask(served, "ask reload")[2]["ok"] is True
    served.wait_for("reload done: generation 2 serves")


def test_one_that_is_stopped_does_not_hold_up_the_end(master: Make) -> None:
    served = up(master(sidecars=beside()).start())
    (page,) = served.titled("echo: page")
    page.suspend()
    began = time.monotonic()
    assert served.stop() == 0
    assert time.monotonic() - began < 10.0, "a third of what it would have to drain"
    assert f"page [{page.pid}] did not end within 1 s" in served.text()
    assert all_gone([page], 1.0)


def test_nor_does_a_reload_wait_for_it(master: Make) -> None:
    served = up(master(sidecars=beside()).start())
    (page,) = served.titled("echo: page")
    page.suspend()
    served.write_settings(sidecars=[])
    served.signal(signal.SIGHUP)
    served.wait_for(r"page \[\d+\] did not end within 1 s")
    assert all_gone([page], 5.0)
    assert served.stop() == 0
