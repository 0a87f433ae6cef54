"""Real masters for the tests: each in a folder of its own; tests wait for lines of its error log; killed at the end."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 15.0


class Master:
    """One master running `echo`; config keywords and behaviour are merged and written to its settings file."""

    def __init__(self, folder: Path, *, config: dict[str, Any] | None = None, **behaviour: Any) -> None:
        self.folder = folder
        log = str(folder / "access.log")
        self.config: dict[str, Any] = {"access_log": log, "name": "echo", "healthy_after_s": 0.3, **(config or {})}
        self.behaviour = behaviour
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._seen = 0

    def write_settings(self, *, config: dict[str, Any] | None = None, **behaviour: Any) -> None:
        """Change settings; they hold from the next reload on."""
        self.config.update(config or {})
        self.behaviour.update(behaviour)
        temporary = self.folder / "settings.new"
        temporary.write_text(json.dumps({"config": self.config, **self.behaviour}))
        temporary.replace(self.folder / "settings.json")

    def start(self, *arguments: str, pass_fds: tuple[int, ...] = (), **keywords: Any) -> Master:
        self.write_settings()
        program = keywords.pop("program", (sys.executable, "-m", "tests.supervisor.echo"))
        command = [*program, str(self.folder / "settings.json"), *arguments]
        keywords.setdefault("stdout", subprocess.DEVNULL)
        environment = {**os.environ, **keywords.pop("env", {})}
        self.process = subprocess.Popen(
            command,
            cwd=keywords.pop("cwd", ROOT),
            stderr=subprocess.PIPE,
            pass_fds=pass_fds,
            env=environment,
            **keywords,
        )
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        return self

    def _follow(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self._news.notify_all()

    def wait_for(self, pattern: str, *, anew: bool = True, timeout_s: float = TIMEOUT_S) -> re.Match[str]:
        """Wait for a line of the error log. With `anew` only lines after the last one that was waited for count."""
        deadline = time.monotonic() + timeout_s
        at = self._seen if anew else 0
        with self._news:
            while True:
                while at < len(self.lines):
                    found = re.search(pattern, self.lines[at])
                    at += 1
                    if found:
                        self._seen = max(self._seen, at)
                        return found
                if not self._news.wait(deadline - time.monotonic()):
                    raise AssertionError(f"no line {pattern!r} within {timeout_s} s:\n" + "\n".join(self.lines))

    def started(self, workers: int = 1) -> Master:
        """Wait until so many workers are ready, and the processes that forked them have ended."""
        for _ in range(workers):
            self.wait_for(r"worker \d+ gen 1 \[\d+\] is ready")
        until(lambda: len(self.descendants()) == workers + 1, "workers and zygote only")
        return self

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.wait_for(r"listening on (?:\w+://)?(.*):(\d+)$", anew=False).groups()
        return host, int(port)

    def ask(self, line: str = "hello", *, timeout_s: float = TIMEOUT_S) -> str:
        """Return the answer to one line, "PID SLOT GENERATION TEXT"; "" if the connection ended without one."""
        with socket.create_connection(self.address, timeout=timeout_s) as connection:
            connection.sendall(line.encode() + b"\n")
            with contextlib.suppress(ConnectionResetError):
                return connection.makefile("rb").readline().decode().rstrip("\n")
            return ""

    def hold(self, line: str) -> socket.socket:
        """Send a line, and return the connection without waiting for the answer."""
        connection = socket.create_connection(self.address, timeout=TIMEOUT_S)
        connection.sendall(line.encode() + b"\n")
        return connection

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, timeout_s: float = TIMEOUT_S) -> int:
        """Wait for the end; return the exit status."""
        status = self.process.wait(timeout_s)
        self._thread.join(TIMEOUT_S)
        return status

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait()

    def descendants(self) -> list[psutil.Process]:
        children: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return children

    def titled(self, pattern: str) -> list[psutil.Process]:
        """Return the children whose title matches."""
        return [child for child in self.descendants() if re.search(pattern, _title(child))]

    def titles(self) -> list[str]:
        """Return the titles of the children that live, without trailing spaces."""
        return sorted(filter(None, (_title(child).rstrip() for child in self.descendants())))

    def records(self) -> list[str]:
        return (self.folder / "access.log").read_text().splitlines()

    def text(self) -> str:
        return "\n".join(self.lines)

    def end(self) -> None:
        """Kill everything that is left, whatever the outcome of the test."""
        if not hasattr(self, "process"):
            return
        left = []
        with contextlib.suppress(psutil.Error):
            left = self.descendants()
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        for child in left:
            with contextlib.suppress(psutil.Error):
                child.kill()
        self.process.wait(TIMEOUT_S)
        if self.process.stderr is not None:
            self._thread.join(TIMEOUT_S)
            self.process.stderr.close()
        (self.folder / "stderr").write_text(self.text())


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def all_gone(processes: list[psutil.Process], within_s: float) -> bool:
    """Return whether all have ended in time; a zombie has ended too, as there may be no process to reap it."""
    deadline = time.monotonic() + within_s
    while any(_lives(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def _lives(process: psutil.Process) -> bool:
    """Return whether a thread of it has not ended: a process is called a zombie once its first one has, while others
    still hold its sockets."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE or len(os.listdir(f"/proc/{process.pid}/task")) > 1
    except (psutil.NoSuchProcess, FileNotFoundError):
        return False


def until(condition: Any, what: str, timeout_s: float = TIMEOUT_S) -> None:
    """Wait for a condition that no line of the log tells of."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.005)
