"""Who may command a real master, and that silent, hostile, slow and dead clients do it no harm."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.supervisor.loops import loop_thread, soon
from tests.supervisor.masters import Master, until
from webpy.supervisor.control import server as control
from webpy.supervisor.control.client import ControlClient, ControlError
from webpy.supervisor.control.conversation import Answer
from webpy.supervisor.control.server import MAX_CONNECTIONS, Control
from webpy.supervisor.descriptors import DescriptorHandoff

Make = Callable[..., Master]


def controlled(master: Make, tmp_path: Path, **settings: object) -> Master:
    """A master with one worker and a control socket at `path`."""
    config = {"control": str(path_of(tmp_path)), **settings.pop("config", {})}  # type: ignore[dict-item]
    return master(config=config, **settings).start().started()


def path_of(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


def connected(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(10)
    sock.connect(str(path))
    return sock


@contextlib.contextmanager
def answers_meanwhile(path: Path, within_s: float = 0.5) -> Iterator[None]:
    """The master answers, quickly, before and after what is done inside."""
    for inside in (True, False):
        with ControlClient(path) as client:
            began = time.monotonic()
            assert client.ask("status", 10)["ok"]
            assert time.monotonic() - began < within_s
        if inside:
            yield


def inode(path: Path) -> str:
    """The socket's number, as /proc/PID/fd shows it: not the file's."""
    for line in Path("/proc/net/unix").read_text().splitlines():
        if line.endswith(f" {path}"):
            return line.split()[6]
    raise AssertionError(f"nobody listens at {path}")


def test_the_file_comes_and_goes_and_nobody_else_holds_the_socket(master: Make, tmp_path: Path) -> None:
    path = path_of(tmp_path)
    served = controlled(master, tmp_path)
    served.wait_for(f"control socket {path}$", anew=False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with ControlClient(path) as client:
        assert client.ask("status", 10)["status"]["pid"] == served.process.pid
        assert client.ask("reload", 10, wait=True)["ok"]  # a zygote is forked while this connection is open
        until(lambda: len(served.descendants()) == 2, "the old generation has gone")
        wanted = f"socket:[{inode(path)}]"
        holders = [
            process.pid
            for process in [psutil.Process(served.process.pid), *served.descendants()]
            if wanted in [os.readlink(fd) for fd in Path(f"/proc/{process.pid}/fd").iterdir()]
        ]
        assert holders == [served.process.pid]
        assert served.titles() == ["echo: loader gen 2", "echo: worker 0 gen 2"]
        children = {process.pid for process in served.descendants()}
        assert not [pid for pid in children if unix_streams(pid) - inherited_streams(served)], "connections either"
    assert served.stop() == 0
    assert not path.exists()


def unix_streams(pid: int) -> set[str]:
    """Connected stream sockets of a process that has them by the control socket's path."""
    here = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    streams = {f"socket:[{fields[6]}]" for fields in here if fields[4] == "0001" and fields[5] == "03"}
    return streams & {os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()}


def inherited_streams(served: Master) -> set[str]:
    """What the test's own process gave to all of them, on descriptors 0 to 2."""
    return {os.readlink(f"/proc/{served.process.pid}/fd/{fd}") for fd in range(3)}


def test_another_user_is_refused(master: Make, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root becomes somebody else")
    path = path_of(tmp_path)
    served = controlled(master, tmp_path)
    program = (
        "import os, socket, sys\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX); s.settimeout(10)\n"
        "s.connect(sys.argv[1])\n"
        "print(s.makefile().readline(), end='')\n"
    )

    def ask() -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=30)

    for folder in (tmp_path, *tmp_path.parents):  # so that it is the socket's own mode that refuses
        if folder != Path("/tmp") and folder.is_relative_to("/tmp"):
            folder.chmod(0o755)
    assert "PermissionError" in ask().stderr
    path.chmod(0o666)  # and if somebody opened it, the credentials do
    reply = json.loads(ask().stdout)
    assert not reply["ok"] and "of uid 65534 may not command this server: uid 0 is wanted" in reply["text"]
    served.wait_for(r"\[warning\] control: pid \d+ of uid 65534 may not")
    with ControlClient(path) as client:
        assert client.ask("status", 10)["ok"]


def test_garbage_and_endless_lines(master: Make, tmp_path: Path) -> None:
    path = path_of(tmp_path)
    served = controlled(master, tmp_path)
    with answers_meanwhile(path):
        silent = connected(path)
        silent.sendall(os.urandom(1000).replace(b"\n", b"x"))
        garbage = connected(path)
        garbage.sendall(bytes(range(256)) * 4 + b"\n")
        assert b'"ok": false' in garbage.recv(4096)
        endless = connected(path)
        with contextlib.suppress(OSError):
            endless.sendall(b'{"command": "' + b"s" * 1_000_000)
        assert b"a request of more than 65536 bytes" in endless.recv(4096)
        with contextlib.suppress(ConnectionResetError):
            assert endless.recv(1) == b""
    for sock in (silent, garbage, endless):
        sock.close()
    assert "[critical]" not in served.text() and served.stop() == 0


def test_forty_idle_connections(master: Make, tmp_path: Path) -> None:
    path = path_of(tmp_path)
    served = controlled(master, tmp_path)
    with contextlib.ExitStack() as stack:
        with answers_meanwhile(path):
            idle = [stack.enter_context(connected(path)) for _ in range(40)]
        here = psutil.Process(served.process.pid).num_fds()
        ended = [sock for sock in idle if hung_up(sock)]
        assert ended == idle[: len(ended)], "those that were silent for longest gave way"
        assert len(ended) in (40 - MAX_CONNECTIONS, 40 - MAX_CONNECTIONS + 1)
        for sock in idle:
            sock.close()
        until(lambda: psutil.Process(served.process.pid).num_fds() <= here - MAX_CONNECTIONS + 2, "all are closed")
    assert served.stop() == 0


def hung_up(sock: socket.socket) -> bool:
    sock.setblocking(False)
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False


def test_when_all_wait_nobody_else_is_let_in(master: Make, tmp_path: Path) -> None:
    path = path_of(tmp_path)
    served = controlled(master, tmp_path)
    served.write_settings(load_s=0.8)
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(ControlClient(path)) for _ in range(MAX_CONNECTIONS)]
        for client in waiting:
            client.begin("reload", wait=True)
        late = stack.enter_context(ControlClient(path))
        text = f"{MAX_CONNECTIONS} connections wait for a reply: there is no room for another"
        assert late.ask("status", 10) == {"ok": False, "text": text}
        for client in waiting:
            while (reply := client.poll()) is None:
                time.sleep(0.01)
            assert reply["ok"]
    assert served.stop() == 0


def test_a_client_killed_while_it_waits_for_a_reload(master: Make, tmp_path: Path) -> None:
    path = path_of(tmp_path)
    served = controlled(master, tmp_path)
    served.write_settings(load_s=0.6)
    program = (
        "import sys; from webpy.supervisor.control.client import *; "
        "ControlClient(sys.argv[1]).ask('reload', wait=True)"
    )
    before = psutil.Process(served.process.pid).num_fds()
    clients = [subprocess.Popen([sys.executable, "-c", program, str(path)], cwd=served_from()) for _ in range(2)]
    served.wait_for("reload: generation 2")
    clients[0].kill()
    assert clients[0].wait(10) == -signal.SIGKILL
    with answers_meanwhile(path):
        served.wait_for("reload done: generation 2")
    assert clients[1].wait(10) == 0
    until(lambda: len(served.descendants()) == 2, "the old generation has gone")
    until(lambda: psutil.Process(served.process.pid).num_fds() <= before, "nothing of the two is left")
    assert "[critical]" not in served.text() and served.stop() == 0


def served_from() -> Path:
    return Path(__file__).parents[3]


def test_a_client_that_asks_and_does_not_read(master: Make, tmp_path: Path) -> None:
    path = path_of(tmp_path)
    served = controlled(master, tmp_path)
    memory = psutil.Process(served.process.pid).memory_info().rss
    deaf = connected(path)
    deaf.setblocking(False)
    with answers_meanwhile(path):
        line, blocked = b'{"command": "status"}\n' * 1000, 0
        give_up = time.monotonic() + 10
        while blocked < 20 and time.monotonic() < give_up:
            try:
                deaf.send(line)
                blocked = 0
            except BlockingIOError:
                blocked += 1
                time.sleep(0.01)
        assert blocked == 20
    assert psutil.Process(served.process.pid).memory_info().rss - memory < 16 << 20
    deaf.close()
    assert served.stop() == 0


def test_no_descriptor_left_for_a_connection(master: Make, tmp_path: Path) -> None:
    path = path_of(tmp_path)
    served = controlled(master, tmp_path)
    process = psutil.Process(served.process.pid)
    before = process.rlimit(psutil.RLIMIT_NOFILE)
    taken = set(range(1000))
    for _ in range(10):  # what it has open for a moment only is not counted
        taken &= {int(fd) for fd in os.listdir(f"/proc/{process.pid}/fd")}
        time.sleep(0.01)
    process.rlimit(psutil.RLIMIT_NOFILE, (min(set(range(len(taken) + 1)) - taken), before[1]))
    with ControlClient(path) as client:
        with pytest.raises(TimeoutError):
            client.ask("status", 0.3)
        began = sum(process.cpu_times()[:2])
        time.sleep(0.5)
        assert sum(process.cpu_times()[:2]) - began < 0.25, "it does not go round and round meanwhile"
        process.rlimit(psutil.RLIMIT_NOFILE, before)
        assert client.ask("status", 10)["ok"]
    assert served.stop() == 0


def test_without_a_socket_it_serves_all_the_same(master: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    served = master(config={"control": str(tmp_path / "file")}).start().started()
    served.wait_for(r"\[warning\] no control socket '.*/file': a file that is not a socket is there; ", anew=False)
    assert served.ask() and served.stop() == 0
    assert (tmp_path / "file").read_text() == "precious"


def test_a_reload_makes_it_anew_where_it_is_wanted(master: Make, tmp_path: Path) -> None:
    first, second = tmp_path / "a.sock", tmp_path / "b.sock"
    served = master(config={"control": str(first)}).start().started()
    first.unlink()  # somebody tidied up
    served.signal(signal.SIGHUP)
    served.wait_for("reload done")
    with ControlClient(first) as client:
        served.write_settings(config={"control": str(second)})
        assert client.ask("reload", 10, wait=True)["ok"]
        assert not first.exists()
        assert client.ask("status", 10)["ok"], "the connection lives on"
    served.write_settings(config={"control": "off"})
    with ControlClient(second) as client:
        assert client.ask("reload", 10, wait=True)["ok"]
    assert not second.exists()
    assert served.stop() == 0


def test_auto_is_named_by_pid_in_the_runtime_directory(master: Make, tmp_path: Path) -> None:
    runtime = tmp_path / "run"
    served = master(config={"control": "auto"}).start(env={"RUNTIME_DIRECTORY": str(runtime)}).started()
    path = runtime / f"{served.process.pid}.sock"
    with ControlClient(path) as client:
        assert client.ask("status", 10)["status"]["pid"] == served.process.pid
    served.process.kill()
    served.wait()
    assert path.exists()
    other = master(config={"control": "auto"}).start(env={"RUNTIME_DIRECTORY": str(runtime)}).started()
    assert [each.name for each in runtime.iterdir()] == [f"{other.process.pid}.sock"], "what the dead left is removed"
    assert other.stop() == 0


# -- the parts that need no master ---------------------------------------------------------------------------


def take(replies: list[Answer]) -> Callable[[dict[str, Any], Answer, str], None]:
    """Runs requests: "upgrade" and "later" are answered by what is added to `replies`, others with who asked."""

    def run(request: dict[str, Any], answer: Answer, who: str) -> None:
        if request["command"] in ("upgrade", "later"):
            replies.append(answer)
        else:
            answer({"ok": True, "text": who})

    return run


def test_the_idle_are_closed_and_who_waits_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "IDLE_S", 0.2)
    monkeypatch.setattr(control, "_SWEEP_S", 0.05)
    path, answers, said = path_of(tmp_path), [], []  # type: ignore[var-annotated]
    with loop_thread() as thread, contextlib.ExitStack() as stack:
        served = Control(thread.loop, take(answers), lambda level, text: said.append(text))
        thread.call(lambda: served.listen(str(path), "test"))
        idle, half, waiting = (stack.enter_context(connected(path)) for _ in range(3))
        half.sendall(b'{"command": "sta')
        waiting.sendall(b'{"command": "later"}\n')
        ours, sidecar = socket.socketpair()
        stack.enter_context(sidecar)
        thread.call(lambda: served.serve(ours))
        began = time.monotonic()
        assert idle.recv(1) == b"" and half.recv(1) == b""
        assert 0.1 < time.monotonic() - began < 5
        sidecar.sendall(b'{"command": "status"}\n')
        assert json.loads(sidecar.recv(4096)) == {"ok": True, "text": "a sidecar"}
        thread.call(lambda: answers[0]({"ok": True, "text": "done"}))
        assert json.loads(waiting.recv(4096))["text"] == "done"
        assert waiting.recv(1) == b"", "now it is idle too"
        thread.call(served.close)
        assert sidecar.recv(1) == b"" and not path.exists() and not thread.failures


class Copies(DescriptorHandoff):
    """An exec leaves the descriptors open: here copies stand for them."""

    def keep(self, source: socket.socket | int) -> int:
        return super().keep(os.dup(source if isinstance(source, int) else source.fileno()))


def test_through_an_upgrade(tmp_path: Path) -> None:
    """The socket and who waits for the upgrade's verdict live on under the next program; other connections end."""
    path = path_of(tmp_path)
    answers: list[Answer] = []
    handoff = Copies()

    with clients_of(path) as clients, loop_thread() as old, loop_thread() as new:
        before = Control(old.loop, take(answers), lambda level, text: None)
        after = Control(new.loop, take(answers), lambda level, text: None)
        old.call(lambda: before.listen(str(path), "test"))
        waiting, other = clients(), clients()
        other.ask("status", 10)
        waiting.begin("upgrade", wait=True)
        soon(lambda: answers)
        state: dict[str, Any] = {}
        old.call(lambda: state.update(json.loads(json.dumps(before.keep(handoff)))))
        old.call(before.abandon)
        resumed: list[Answer] = []
        new.call(lambda: resumed.extend(after.restore(state)))
        assert len(resumed) == 1 == len(state["waiting"]) and len(handoff.descriptors) == 2
        new.call(lambda: resumed[0]({"ok": True, "text": "upgraded"}))
        while (reply := waiting.poll()) is None:
            time.sleep(0.001)
        assert (reply["ok"], reply["text"]) == (True, "upgraded")
        assert waiting.ask("status", 10)["ok"], "and goes on"
        with pytest.raises(ControlError):
            other.ask("status", 10)
        assert clients().ask("status", 10)["ok"]
        new.call(lambda: after.listen(str(path), "test"))
        assert path.exists()
        new.call(after.close)
        assert not path.exists() and not old.failures and not new.failures
    assert Control(old.loop, take([]), lambda level, text: None).keep(handoff) is None


@contextlib.contextmanager
def clients_of(path: Path) -> Iterator[Callable[[], ControlClient]]:
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(ControlClient(path))
