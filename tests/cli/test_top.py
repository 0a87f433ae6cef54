"""`webpy ctl top` in a pseudo-terminal: keys pressed, its screen read, every way to end, the terminal afterwards."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.server import ROOT
from tests.supervisor.conftest import master as master
from tests.supervisor.masters import Master, until

pytestmark = pytest.mark.slow

__all__ = ["master"]  # a fixture

WAIT_S = 15.0
ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[()][0-9A-B]|[=>])")


class Terminal:
    """A pseudo-terminal with `webpy ctl top` in its foreground."""

    def __init__(self, path: Path, width: int = 80, height: int = 24) -> None:
        self.fd, self._slave = pty.openpty()
        self.resize(width, height)
        self.before = termios.tcgetattr(self._slave)
        ours = ("COLUMNS", "LINES", "NO_COLOR")
        environment = {name: value for name, value in os.environ.items() if name not in ours}
        environment |= {"TERM": "xterm", "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "webpy.cli", "ctl", "--control", str(path), "top"],
            stdin=self._slave,
            stdout=self._slave,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self.output = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def type(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def read(self, wait_s: float) -> bool:
        if not select.select([self.fd], [], [], wait_s)[0]:
            return False
        self.output += self._decoder.decode(os.read(self.fd, 65536))
        return True

    @property
    def screen(self) -> list[str]:
        """The lines of the last frame that came whole."""
        for frame in reversed(self.output.split("\x1b[H")[1:]):
            lines = ESCAPE.sub("", frame).replace("\r", "").split("\n")
            if lines[-1].startswith("q quit") and len(lines[-1]) == len(lines[0]):  # each is padded to the width
                return [line.rstrip() for line in lines]
        return []

    def wait_for(self, condition: Callable[[list[str]], object]) -> list[str]:
        give_up = time.monotonic() + WAIT_S
        while not condition(screen := self.screen):
            assert time.monotonic() < give_up, "\n".join(screen)
            self.read(0.05)
        return screen

    def wait_for_text(self, pattern: str) -> list[str]:
        return self.wait_for(lambda screen: re.search(pattern, "\n".join(screen)))

    def ended(self) -> tuple[int, str]:
        """Wait for its end, see that the terminal is as it was, and give the status and what it said."""
        assert self.process.stderr
        give_up = time.monotonic() + WAIT_S
        while self.process.poll() is None:
            assert time.monotonic() < give_up, "\n".join(self.screen)
            self.read(0.05)
        while self.read(0):
            pass
        assert termios.tcgetattr(self._slave) == self.before
        entered, left = self.output.count("\x1b[?1049h"), self.output.count("\x1b[?1049l")
        assert entered == left >= 1 and self.output.rindex("\x1b[?1049l") > self.output.rindex("\x1b[?1049h")
        assert self.output.rindex("\x1b[?25h") > self.output.rindex("\x1b[?25l"), "the cursor is shown again"
        return self.process.returncode, self.process.stderr.read().decode()

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(WAIT_S)
        assert self.process.stderr
        self.process.stderr.close()
        os.close(self.fd)
        os.close(self._slave)


@pytest.fixture
def top(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    made: list[Terminal] = []

    def top(**size: int) -> Terminal:
        made.append(Terminal(tmp_path / "control.sock", **size))
        return made[-1]

    yield top
    for terminal in made:
        terminal.close()


@pytest.fixture
def served(master: Callable[..., Master], tmp_path: Path) -> Master:
    config = {"control": str(tmp_path / "control.sock"), "name": "webpy", "workers": 2}
    return master(config=config).start().started(2)


def order(screen: list[str]) -> list[str]:
    """The slots of the workers' rows."""
    head = next(index for index, line in enumerate(screen) if line.lstrip().startswith("SLOT"))
    return [line.split()[0] for line in screen[head + 1 : head + 3]]


def test_it_shows_the_server_and_obeys_keys(served: Master, top: Callable[..., Terminal]) -> None:
    terminal = top()
    screen = terminal.wait_for_text("workers 2/2")
    assert screen[0].startswith(f"webpy {served.process.pid} running  generation 1  up ")
    assert len(screen) == 24 and max(map(len, screen)) <= 80
    pids = {line.split()[1] for line in screen[5:7]}
    assert pids == {str(process.pid) for process in served.titled("worker")}
    assert order(screen) == ["0", "1"]
    for _ in range(20):
        served.ask()
    terminal.wait_for_text(r"\n20 requests")
    terminal.wait_for_text(r"\n[1-9][\d.]* req/s  p50 \d")
    with served.hold("hold 30"):
        screen = terminal.wait_for_text(r"\d\.\ds +\d hold +30\b")
        slot = next(line for line in screen if " hold " in line).split()[1]
        terminal.type("l")
        screen = terminal.wait_for_text("l longest↓")
        assert order(screen)[0] == slot
        terminal.type("l")
        screen = terminal.wait_for_text("l longest↑")
        assert order(screen)[1] == slot
    for key, name in (("c", "connections"), ("r", "requests"), ("m", "memory"), ("s", "slot")):
        terminal.type(key)
        terminal.wait_for_text(f"{key} {name}↓")
    terminal.type("\x1b[C\x1b[Dx?")  # arrows, and keys without a meaning
    terminal.type("m")
    terminal.wait_for_text("m memory↓")
    terminal.type("q")
    assert terminal.ended() == (0, "")


def test_it_follows_a_reload_and_the_size_of_the_window(served: Master, top: Callable[..., Terminal]) -> None:
    terminal = top(width=60, height=12)
    screen = terminal.wait_for_text("workers 2/2")
    assert max(map(len, screen)) <= 60 and len(screen) == 12
    assert "LONGEST" in "".join(screen) and "QUEUE" not in "".join(screen)
    terminal.resize(132, 40)
    screen = terminal.wait_for(lambda screen: len(screen) == 40)
    assert "QUEUE" in "".join(screen)
    terminal.resize(30, 6)
    screen = terminal.wait_for(lambda screen: len(screen) == 6 and max(map(len, screen)) <= 30)
    terminal.resize(80, 24)
    served.write_settings(load="raise", load_s=1.5)
    served.signal(signal.SIGHUP)
    terminal.wait_for_text("reload to generation 2: booting")
    terminal.wait_for_text(r"reload failed \d\.\ds ago: RuntimeError: no such module")
    terminal.type("Q")
    assert terminal.ended() == (0, "")


def test_ctrl_c(served: Master, top: Callable[..., Terminal]) -> None:
    terminal = top()
    terminal.wait_for_text("workers 2/2")
    terminal.type("\x03")
    assert terminal.ended() == (0, "")
    assert served.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals(served: Master, top: Callable[..., Terminal], number: signal.Signals) -> None:
    terminal = top()
    terminal.wait_for_text("workers 2/2")
    terminal.process.send_signal(number)
    assert terminal.ended() == (128 + number, "")


def test_ctrl_z_and_back(served: Master, top: Callable[..., Terminal]) -> None:
    terminal = top()
    terminal.wait_for_text("workers 2/2")
    process = psutil.Process(terminal.process.pid)
    terminal.type("\x1a")
    # its session has no shell that would take the terminal, so an orphaned group's stop may be ignored by the kernel
    until(lambda: terminal.read(0.05) or terminal.output.count("\x1b[?1049l") == 1, "the screen is given back")
    if process.status() == psutil.STATUS_STOPPED:
        process.send_signal(signal.SIGCONT)
    give_up = time.monotonic() + WAIT_S
    while terminal.output.count("\x1b[?1049h") < 2:
        assert time.monotonic() < give_up
        terminal.read(0.05)
    terminal.wait_for_text("workers 2/2")
    terminal.type("q")
    assert terminal.ended() == (0, "")


@pytest.mark.parametrize("kill", [True, False])
def test_the_server_goes(served: Master, top: Callable[..., Terminal], tmp_path: Path, kill: bool) -> None:
    terminal = top()
    terminal.wait_for_text("workers 2/2")
    if kill:
        served.process.kill()
        served.wait()
    else:
        served.stop()
    status, said = terminal.ended()
    assert status == 0
    assert said.startswith(f"webpy: {tmp_path}/control.sock: ") and len(said.splitlines()) == 1


def test_a_server_that_does_not_answer_for_a_while(served: Master, top: Callable[..., Terminal]) -> None:
    terminal = top()
    terminal.wait_for_text("workers 2/2")
    served.signal(signal.SIGSTOP)
    try:
        terminal.wait_for_text(r"no answer for \d s")
        terminal.type("c")  # keys are obeyed meanwhile
        terminal.wait_for_text("c connections↓")
    finally:
        served.signal(signal.SIGCONT)
    terminal.wait_for(lambda screen: "no answer" not in "\n".join(screen) and screen[-1].startswith("q quit"))
    terminal.type("q")
    assert terminal.ended() == (0, "")
