"""What a real master tells a service manager over a datagram socket, and the sockets that it inherits."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import TracebackType

import pytest

from tests.supervisor.masters import Master
from webpy.supervisor.eventloop import EventLoop
from webpy.supervisor.system.notify import NOTIFY_VARIABLES, Notify

pytestmark = pytest.mark.slow

Make = Callable[..., Master]


class Manager:
    """The end of NOTIFY_SOCKET that systemd holds; takes messages of one process only, as NotifyAccess=main does."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.senders: set[int] = set()
        self.heard: list[dict[str, str]] = []

    def __enter__(self) -> Manager:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def hear(self, timeout_s: float = 15.0) -> dict[str, str]:
        """The next message, as its assignments."""
        if not select.select([self.socket], [], [], timeout_s)[0]:
            raise AssertionError(f"nothing within {timeout_s} s after {self.heard}")
        data, ancillary, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(12))
        for level, kind, credentials in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                self.senders.add(int.from_bytes(credentials[:4], sys.byteorder))
        message = dict(line.split("=", 1) for line in data.decode().splitlines())
        self.heard.append(message)
        return message

    def hear_of(self, name: str, timeout_s: float = 15.0) -> dict[str, str]:
        """The next message that says something of `name`."""
        while name not in (message := self.hear(timeout_s)):
            pass
        return message


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@webpy-test-notify-{os.getpid()}"
    with Manager(address) as made:
        yield made


def test_from_start_to_end(master: Make, manager: Manager) -> None:
    served = master(config={"workers": 2}, load_s=0.3).start(env={"NOTIFY_SOCKET": manager.address})
    assert manager.hear() == {"READY": "1"}
    assert "is ready" in served.text(), "not before a worker serves"
    assert manager.hear() == {"STATUS": "generation 1 serves, 2 workers"}
    names = json.loads(served.ask("env"))
    assert not set(names) & set(NOTIFY_VARIABLES), "the application's children are not to speak for the master"

    served.signal(signal.SIGHUP)
    before_us = time.monotonic_ns() // 1000
    message = manager.hear_of("RELOADING")
    assert message["RELOADING"] == "1"
    assert abs(int(message["MONOTONIC_USEC"]) - before_us) < 5_000_000
    assert message["STATUS"] == "loading generation 2"
    assert manager.hear_of("READY") == {"READY": "1", "STATUS": "generation 2 serves"}

    served.write_settings(load="raise")
    served.signal(signal.SIGHUP)
    manager.hear_of("RELOADING")
    message = manager.hear_of("READY")
    assert message["STATUS"] == "generation 2 keeps serving, a reload failed: RuntimeError: no such module"

    served.signal(signal.SIGTERM)
    assert manager.hear_of("STOPPING") == {"STOPPING": "1", "STATUS": "stopping (SIGTERM)"}
    assert served.wait() == 0
    assert manager.senders == {served.process.pid}


def test_wrong_settings_end_a_reload_too(master: Make, manager: Manager) -> None:
    served = master().start(env={"NOTIFY_SOCKET": manager.address})
    manager.hear_of("READY")
    served.write_settings(config={"workers": 0})
    served.signal(signal.SIGHUP)
    manager.hear_of("RELOADING")
    assert "workers is 0" in manager.hear_of("READY")["STATUS"]
    assert served.stop() == 0


def test_one_that_never_serves_is_never_ready(master: Make, manager: Manager) -> None:
    served = master(load="raise").start(env={"NOTIFY_SOCKET": manager.address})
    assert served.wait() == 3
    manager.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.socket.recv(1)


def test_through_an_upgrade(master: Make, manager: Manager) -> None:
    environment = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "200000"}
    served = master().start(env=environment).started()
    manager.hear_of("READY")
    served.signal(signal.SIGUSR2)
    served.wait_for("upgrade done")
    manager.hear_of("READY")
    for _ in range(3):
        manager.hear_of("WATCHDOG", 1.0)
    served.signal(signal.SIGHUP)
    manager.hear_of("RELOADING")
    manager.hear_of("READY")
    assert not set(json.loads(served.ask("env"))) & set(NOTIFY_VARIABLES)
    assert served.stop() == 0
    assert manager.senders == {served.process.pid}, "the child that proves says nothing"


def test_watchdog(master: Make, manager: Manager) -> None:
    served = master().start(env={"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "200000"})
    heard = []
    while len(heard) < 6:
        manager.hear_of("WATCHDOG")
        heard.append(time.monotonic())
    assert max(after - before for before, after in pairwise(heard[1:])) < 0.2, heard
    served.signal(signal.SIGSTOP)
    manager.socket.settimeout(0.05)
    with pytest.raises(TimeoutError):  # a master that stands still is silent, and restarted
        while True:
            manager.socket.recv(4096)
            manager.socket.settimeout(0.3)
    served.signal(signal.SIGCONT)
    manager.hear_of("WATCHDOG")
    assert served.stop() == 0


def test_a_watchdog_of_another_process_is_not_ours(master: Make, manager: Manager) -> None:
    environment = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"}
    served = master().start(env=environment)
    assert served.wait_for("worker 0 gen 1 .* is ready")
    assert served.stop() == 0
    manager.hear_of("STOPPING")
    assert not any("WATCHDOG" in message for message in manager.heard)


@pytest.mark.parametrize("address", ["/no/such/socket", "vsock:2:1234", "relative"])
def test_a_manager_that_cannot_be_reached_is_a_warning(master: Make, address: str) -> None:
    served = master(config={"workers": 2}).start(env={"NOTIFY_SOCKET": address}).started(2)
    served.signal(signal.SIGHUP)
    served.wait_for("reload done")
    assert served.stop() == 0
    assert len(re.findall(r"\[warning\] NOTIFY_SOCKET", served.text())) == 1


def test_a_busy_manager_gets_every_message_later_in_order(tmp_path: Path) -> None:
    said: list[str] = []
    loop = EventLoop(lambda number: None, lambda: None)
    with Manager(str(tmp_path / "notify")) as manager:
        environment = {"NOTIFY_SOCKET": manager.address, "PATH": "kept"}
        notify = Notify(loop, environment, lambda level, text: said.append(text))
        assert environment == {"PATH": "kept"}
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as crowd:
            crowd.setblocking(False)
            sent = 0
            try:
                while True:
                    crowd.sendto(b"X=1", manager.address)
                    sent += 1
            except BlockingIOError:
                pass
        notify.ready("up")
        notify.status("and well")
        for _ in range(sent):
            assert manager.hear() == {"X": "1"}
        loop.after(0.2, loop.stop)
        loop.run()
        assert [manager.hear(), manager.hear()] == [{"READY": "1", "STATUS": "up"}, {"STATUS": "and well"}]
    loop.close()
    assert not said


# -- LISTEN_FDS ----------------------------------------------------------------------------------------------


@pytest.mark.needs("systemd-socket-activate")
def test_socket_activation_by_systemds_own_tool(master: Make, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    served = master(config={"workers": 2, "binds": ["127.0.0.1:1"]})
    with Manager(str(tmp_path / "notify")) as manager:
        pass_on = [f"--setenv={name}" for name in ("NOTIFY_SOCKET", "PATH", "PWD")]
        program = ("systemd-socket-activate", f"--listen=127.0.0.1:{port}", *pass_on)
        served.start(
            program=(*program, sys.executable, "-m", "tests.supervisor.echo"), env={"NOTIFY_SOCKET": manager.address}
        )
        served.wait_for("Listening on")
        with socket.create_connection(("127.0.0.1", port), timeout=15) as first:  # which starts it
            first.sendall(b"hello\n")
            served.wait_for(rf"listening on 127.0.0.1:{port}$")
            manager.hear_of("READY")
            assert first.makefile().readline(), "who came before it ran is served"
        served.started(2)
        assert not [name for name in json.loads(served.ask("env")) if name.startswith("LISTEN_")]
        served.signal(signal.SIGUSR2)
        served.wait_for("upgrade done")
        served.signal(signal.SIGHUP)
        served.wait_for("reload done")
        assert served.ask().split()[2] == "2"
        assert served.stop() == 0


def test_sockets_and_notification_as_a_service_manager_gives_them(master: Make, tmp_path: Path) -> None:
    """sd_listen_fds(3), sd_notify(3) and sd_watchdog_enabled(3) to the letter: descriptors from 3 on, LISTEN_PID and
    WATCHDOG_PID the process's own, which only it can know."""
    launcher = (
        "import os, sys\n"
        "os.environ.update(LISTEN_PID=str(os.getpid()), WATCHDOG_PID=str(os.getpid()))\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as unix,
        Manager(str(tmp_path / "notify")) as manager,
    ):
        unix.bind(str(tmp_path / "socket"))
        unix.listen()
        kept = [os.dup(tcp.fileno()), os.dup(unix.fileno())]

        def place() -> None:
            for number, descriptor in enumerate(kept, 3):
                os.dup2(descriptor, number + 50)
            for number in range(3, 3 + len(kept)):
                os.dup2(number + 50, number)
                os.close(number + 50)

        environment = {
            "LISTEN_FDS": "2",
            "LISTEN_FDNAMES": "web:local",
            "NOTIFY_SOCKET": manager.address,
            "WATCHDOG_USEC": "400000",
        }
        served = master(config={"binds": ["127.0.0.1:1"]})
        program = (sys.executable, "-c", launcher, sys.executable, "-m", "tests.supervisor.echo")
        served.start(program=program, preexec_fn=place, close_fds=False, env=environment)
        for descriptor in kept:
            os.close(descriptor)
        served.started()
        assert served.address == tcp.getsockname()
        served.wait_for(f"listening on unix:{tmp_path}/socket", anew=False)
        manager.hear_of("READY")
        manager.hear_of("WATCHDOG")
        names = json.loads(served.ask("env"))
        assert not [name for name in names if name.startswith(("LISTEN_", "NOTIFY_", "WATCHDOG_"))]
        served.signal(signal.SIGUSR2)
        served.wait_for("upgrade done")
        manager.hear_of("WATCHDOG")
        assert served.ask()
        assert served.stop() == 0
        assert (tmp_path / "socket").exists(), "it is the manager's"
        assert manager.senders == {served.process.pid}
        tcp.settimeout(5)
        with socket.create_connection(tcp.getsockname(), timeout=5):
            tcp.accept()[0].close()  # it still takes connections, which wait for the next start


def test_no_manager_no_word() -> None:
    loop = EventLoop(lambda number: None, lambda: None)
    notify = Notify(loop, {}, lambda level, text: pytest.fail(text))
    notify.ready("x")
    notify.reloading()
    notify.stopping()
    loop.close()


