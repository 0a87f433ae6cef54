"""Starting and ending: exit statuses, signals, what is left behind. All with real processes."""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.supervisor.masters import Master, all_gone, until
from webpy.supervisor.system.pidfile import PidFile

Make = Callable[..., Master]


def refused(address: tuple[str, int]) -> bool:
    with socket.socket() as client:
        client.settimeout(2)
        return client.connect_ex(address) != 0


def test_answers_and_stops_as_asked(master: Make, tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    served = master(config={"workers": 2, "pidfile": str(pidfile), "scheme": "http"}, answer="hi").start().started(2)
    served.wait_for(r"listening on http://127.0.0.1:\d+$", anew=False)
    assert pidfile.read_text() == f"{served.process.pid}\n"
    pid, slot, generation, answer = served.ask().split()
    assert psutil.Process(int(pid)).ppid() == served.process.pid, "workers are the master's own children"
    assert (generation, answer) == ("1", "hi")
    assert slot in "01"
    assert psutil.Process(served.process.pid).cmdline()[0] == "echo: master"
    assert served.titles() == ["echo: loader gen 1", "echo: worker 0 gen 1", "echo: worker 1 gen 1"]
    children = served.descendants()
    assert served.stop() == 0
    assert refused(served.address)
    assert not pidfile.exists()
    assert all_gone(children, 0.0)
    assert served.records() == [f"hello by {pid}"]
    assert "[error]" not in served.text() and "[critical]" not in served.text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_graceful_stop_finishes_what_runs_and_what_is_queued(master: Make, number: signal.Signals) -> None:
    served = master().start().started()
    idle = sockets(served)
    with served.hold("hold 0.4") as running, served.hold("queued") as queued:
        until(lambda: sockets(served) > idle, "the worker takes the first")
        served.signal(number)
        served.wait_for("stopping")
        assert running.makefile().readline().split()[1:] == ["0", "1"]
        assert queued.makefile().readline().split()[1:] == ["0", "1"]
    assert served.wait() == 0
    assert [line.split(" by ")[0] for line in served.records()] == ["hold 0.4", "queued"]


def sockets(served: Master) -> int:
    """How many sockets the worker has open: one more when it has taken a connection. (What psutil tells of them reads
    the table of all connections of the machine, which may be long.)"""
    (worker,) = served.titled("worker 0")
    folder = f"/proc/{worker.pid}/fd"
    return sum(os.readlink(f"{folder}/{fd}").startswith("socket:") for fd in os.listdir(folder))


def test_a_second_term_stops_at_once(master: Make) -> None:
    served = master().start().started()
    idle = sockets(served)
    with served.hold("hold 30") as held:
        until(lambda: sockets(served) > idle, "the worker holds")
        served.signal(signal.SIGTERM)
        served.wait_for("stopping")
        time.sleep(0.6)  # sooner, it is the first one still
        began = time.monotonic()
        served.signal(signal.SIGTERM)
        assert served.wait() == 0
        assert time.monotonic() - began < 2
        assert held.recv(1) == b""
    assert served.records() == ["killed hold 30"]


def test_quit_stops_at_once(master: Make) -> None:
    served = master(config={"workers": 2}).start().started(2)
    with served.hold("hold 30") as held:
        until(lambda: any(holds(worker, served.address[1]) for worker in served.titled("worker")), "it holds")
        began = time.monotonic()
        served.signal(signal.SIGQUIT)
        assert served.wait() == 0
        assert time.monotonic() - began < 2
        assert held.recv(1) == b""
    assert served.records() == ["killed hold 30"]


def holds(worker: psutil.Process, port: int) -> bool:
    return any(c.laddr.port == port and c.status == "ESTABLISHED" for c in worker.net_connections("tcp"))


def test_drain_timeout_ends_what_does_not(master: Make) -> None:
    served = master(config={"drain_timeout_s": 0.3}).start().started()
    idle = sockets(served)
    with served.hold("hold 30"):
        until(lambda: sockets(served) > idle, "the worker holds")
        served.signal(signal.SIGTERM)
        served.wait_for(r"worker 0 gen 1 \[\d+\] did not end within 0.3 s")
        assert served.wait() == 0
    assert served.records() == ["killed hold 30"]


def test_shutdown_delay_accepts_on(master: Make) -> None:
    served = master(config={"shutdown_delay_s": 0.5}).start().started()
    served.signal(signal.SIGTERM)
    served.wait_for(r"stopping \(SIGTERM\) in 0.5 s")
    assert served.ask()
    assert served.wait() == 0


def test_ctrl_c_is_for_the_master(master: Make) -> None:
    served = master().start(start_new_session=True).started()
    idle = sockets(served)
    with served.hold("hold 0.3") as held:
        until(lambda: sockets(served) > idle, "the worker holds")
        os.killpg(served.process.pid, signal.SIGINT)
        assert held.makefile().readline()
    assert served.wait() == 0
    assert "at once" not in served.text()


def test_a_term_that_comes_twice_is_one(master: Make) -> None:
    served = master().start().started()
    idle = sockets(served)
    with served.hold("hold 1") as held:
        until(lambda: sockets(served) > idle, "the worker holds")
        served.signal(signal.SIGTERM)
        served.wait_for("stopping")
        served.signal(signal.SIGTERM)
        assert held.makefile().readline(), "as timeout(1) does"
    assert served.wait() == 0
    assert "at once" not in served.text()


def test_another_signal_is_the_second_at_once(master: Make) -> None:
    served = master().start().started()
    idle = sockets(served)
    with served.hold("hold 30") as held:
        until(lambda: sockets(served) > idle, "the worker holds")
        served.signal(signal.SIGTERM)
        served.wait_for("stopping")
        served.signal(signal.SIGINT)
        served.wait_for("stopping at once")
        assert held.recv(1) == b""
    assert served.wait() == 0


def test_kill_of_the_master_ends_everything_within_a_second(master: Make) -> None:
    served = master(config={"workers": 2}).start().started(2)
    children = served.descendants()
    assert len(children) == 3
    served.signal(signal.SIGKILL)
    assert all_gone(children, 1.0)
    assert refused(served.address)


def test_kill_of_the_master_ends_a_zygote_that_loads(master: Make) -> None:
    served = master(load_s=30).start()
    served.wait_for("loading the application")
    until(lambda: served.titled("loader"), "a zygote")
    children = served.descendants()
    served.signal(signal.SIGKILL)
    assert all_gone(children, 1.0)


def test_term_while_loading(master: Make) -> None:
    served = master(load_s=30).start()
    served.wait_for("loading the application")
    assert served.stop() == 0


@pytest.mark.parametrize(
    ("load", "said"),
    [
        ("raise", "RuntimeError: no such module"),
        ("exit", "SystemExit: not today"),
        ("vanish", r"loader gen 1 \[\d+\] exited with status 7"),
    ],
)
def test_an_application_that_does_not_load_is_3(master: Make, load: str, said: str) -> None:
    served = master(load=load).start()
    assert served.wait() == 3
    assert re.search(said, served.text())


def test_an_application_that_hangs_while_loading_is_3(master: Make) -> None:
    served = master(config={"boot_timeout_s": 0.3}, load_s=30).start()
    assert served.wait() == 3
    assert "did not become ready within 0.3 s" in served.text()


@pytest.mark.parametrize(
    ("run", "said"),
    [("exit", "exited with status 9"), ("silent", "did not become ready within 0.1 s")],
)
def test_workers_that_never_are_healthy_are_3(master: Make, run: str, said: str) -> None:
    served = master(config={"boot_timeout_s": 0.1 if run == "silent" else 10}, run=run).start()
    assert served.wait() == 3
    assert re.search(rf"no worker ever became ready; the last, worker 0 gen 1 {said}", served.text())
    assert served.text().count("[error] worker 0") == 4


def test_an_address_in_use_is_4(master: Make) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = "{}:{}".format(*taken.getsockname())
        served = master(config={"binds": [address]}).start()
        assert served.wait() == 4
    assert f"cannot bind '{address}': Address already in use" in served.text()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"workers": 0}, "workers is 0: at least 1 is wanted"),
        ({"user": "no-such-user"}, "user is 'no-such-user'"),
        ({"access_log": "/no/such/log"}, "access_log is '/no/such/log': No such file or directory"),
        ({"error_log": "/no/such/log"}, "error_log is '/no/such/log': No such file or directory"),
        ({"no_such_setting": 1}, "unexpected keyword argument 'no_such_setting'"),
    ],
)
def test_wrong_settings_are_2(master: Make, config: dict[str, object], said: str) -> None:
    served = master(config=config).start()
    assert served.wait() == 2
    assert said in served.text()


def test_a_pidfile_of_the_living_is_2(master: Make, tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    ours = PidFile(str(pidfile))
    ours.write()
    served = master(config={"pidfile": str(pidfile)}).start()
    assert served.wait() == 2
    assert f"process {os.getpid()} lives and holds it" in served.text()
    assert pidfile.read_text() == f"{os.getpid()}\n"
    ours.remove()


def test_listeners_handed_over_and_a_stop_by_descriptor(master: Make) -> None:
    reader, writer = os.pipe()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        fds = (sock.fileno(), reader)
        served = master().start(*map(str, fds), pass_fds=fds).started()
        assert served.address == sock.getsockname()
    os.close(reader)
    assert served.ask()
    os.write(writer, b"x")
    assert served.wait() == 0
    os.close(writer)


def test_the_end_of_the_stop_descriptor_is_a_stop(master: Make) -> None:
    reader, writer = os.pipe()
    served = master().start("", str(reader), pass_fds=(reader,)).started()
    os.close(reader)
    os.close(writer)
    assert served.wait() == 0
    assert "its caller has gone" in served.text()


def test_a_worker_has_no_descriptors_but_its_own(master: Make) -> None:
    served = master(config={"workers": 3, "error_log": "-"}).start().started(3)
    for _ in range(3):
        fds: dict[str, str] = json.loads(served.ask("fds"))
        kinds = sorted(target.split(":")[0] for fd, target in fds.items() if int(fd) > 2)
        # the doorbell and the scoreboard; os.listdir's own; for its stacks; its standard error without blocking; the
        # listener, its channel, this connection, both ends for adoption, and where records for the error log go
        assert kinds == ["/memfd", "gone", "pipe", "pipe", "pipe", *["socket"] * 6]


def test_user_group_umask_and_directory(master: Make) -> None:
    root = os.geteuid() == 0
    user = pwd.getpwnam("daemon") if root else pwd.getpwuid(os.geteuid())
    group = grp.getgrnam("nogroup") if root else grp.getgrgid(os.getegid())
    config = {"user": user.pw_name, "group": group.gr_name, "umask": 0o027, "chdir": "/"}
    served = master(config=config).start().started()
    uid, gid, umask, folder = served.ask("ids").split()
    assert (int(uid), int(gid)) == (user.pw_uid, group.gr_gid)
    assert (umask, folder) == ("27", "/")
    assert psutil.Process(served.process.pid).uids().real == os.getuid()
    children = served.descendants()
    served.signal(signal.SIGKILL)
    assert all_gone(children, 1.0), "they end with the master all the same"


def test_several_addresses(master: Make, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    served = master(config={"binds": ["127.0.0.1:0", f"unix:{path}"]}).start().started()
    assert served.ask()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"by file\n")
        assert client.makefile().readline()
    assert served.stop() == 0
    assert not path.exists()
    assert {line.split(" by ")[0] for line in served.records()} == {"hello", "by file"}


def test_threads_started_while_loading_are_warned_of(master: Make) -> None:
    served = master(load="thread", load_s=0.0).start()
    served.wait_for(r"\[warning\] loading the application started threads.*ticker")
    assert served.stop() == 0


def test_an_idle_tree_does_not_wake(master: Make) -> None:
    served = master().start().started()
    served.ask()
    until(lambda: served.records(), "the record")
    process = psutil.Process(served.process.pid)

    def switches() -> int:
        return int(process.num_ctx_switches().voluntary)

    def still() -> bool:
        before = switches()
        time.sleep(0.3)
        return switches() == before

    until(still, "the master sleeps")


def test_stdout_takes_the_records(master: Make) -> None:
    served = master(config={"access_log": "-"}).start(stdout=subprocess.PIPE).started()
    pid = served.ask().split()[0]
    assert served.process.stdout is not None
    assert served.process.stdout.readline() == f"hello by {pid}\n".encode()
    served.process.stdout.close()
    served.ask()
    served.wait_for("standard output has gone")
    assert served.ask()
    assert served.stop() == 0


