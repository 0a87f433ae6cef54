"""A real webpy server for a test: started as a user starts it, on a free port, its logs read as they come.

Owns the processes it started, and ends only those: the server runs in a session of its own (setsid), and
whatever is in that session goes when the test ends. Called by the `serve` fixture in conftest.py.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

__all__ = ["ROOT", "Answer", "Server"]

ROOT = Path(__file__).resolve().parent.parent
# "listening on http://127.0.0.1:41231", "… on 127.0.0.1:41231", "… on [::1]:41231", "… on unix:/run/a"
LISTENING = re.compile(
    r"listening on\s+(?:(?P<scheme>https?)://)?(?:unix:(?P<path>\S+)|\[(?P<v6>[0-9a-fA-F:%\w]+)\]:(?P<port6>\d+)|(?P<v4>[\w.-]+):(?P<port>\d+))"
)
START_S = 20.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request."""

    status: int
    reason: str
    headers: http.client.HTTPMessage
    body: bytes


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Server:
    """`webpy serve TARGET --bind 127.0.0.1:0 OPTIONS` in a folder, without the caller's WEBPY_ environment.

    `program` stands for `[python, "-m", "webpy.cli", "serve"]` (an installed `webpy`, or a Python that runs a
    script which calls start()); `bind=None` leaves the bind to the options; `env` is added to the environment;
    `source=False` leaves this tree out of the import path.
    """

    def __init__(
        self,
        target: str | Path,
        *options: str,
        cwd: Path,
        program: Sequence[str] | None = None,
        bind: str | None = "127.0.0.1:0",
        env: Mapping[str, str] | None = None,
        source: bool = True,
    ) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("WEBPY_", "LISTEN_", "NOTIFY_"))}
        environment["PYTHONUNBUFFERED"] = "1"
        environment.pop("PYTHONPATH", None)
        if source:
            environment["PYTHONPATH"] = str(ROOT)
        environment["STATE_DIRECTORY"] = str(cwd)  # our databases are for the test to see, and gone with it
        environment.update(env or {})
        command = [*(program or (sys.executable, "-m", "webpy.cli", "serve")), str(target)]
        if bind is not None:
            command += ["--bind", bind]
        self.command = [*command, *options]
        self.cwd = cwd
        self.log: list[str] = []  # stdout: the access log, unless an option sends it elsewhere
        self.errors: list[str] = []  # stderr: the error log, likewise
        self._news = threading.Condition()
        self._open_streams = 2
        self._sessions: set[int] = set()
        self.process = subprocess.Popen(
            self.command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="surrogateescape",
            start_new_session=True,
        )
        self._sessions.add(self.process.pid)
        assert self.process.stdout and self.process.stderr
        self._readers = [
            threading.Thread(target=self._read, args=(stream, lines), daemon=True)
            for stream, lines in ((self.process.stdout, self.log), (self.process.stderr, self.errors))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[str], lines: list[str]) -> None:
        with stream:
            for line in stream:
                with self._news:
                    lines.append(line.rstrip("\n"))
                    self._news.notify_all()
        with self._news:
            self._open_streams -= 1
            self._news.notify_all()

    @property
    def pid(self) -> int:
        """Of the master."""
        return self.process.pid

    def wait_for(
        self, pattern: str, lines: list[str] | None = None, *, timeout: float = START_S, count: int = 1
    ) -> str:
        """Waits until `count` lines of `lines` (the error log, unless given) match; gives the last one."""
        lines = self.errors if lines is None else lines
        wanted = re.compile(pattern)
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                found = [line for line in lines if wanted.search(line)]
                if len(found) >= count:
                    return found[count - 1]
                left = deadline - time.monotonic()
                if left <= 0 or not self._open_streams:
                    why = f"within {timeout:g} s" if self._open_streams else "before its logs ended"
                    raise AssertionError(
                        f"{' '.join(self.command)}: {count} x {pattern!r} did not come {why}; "
                        f"status {self.process.poll()}, error log:\n" + "\n".join(self.errors[-100:])
                    )
                self._news.wait(left)

    def wait_until_listening(self, timeout: float = START_S) -> None:
        """Until the error log names an address: then in .address (host, port) or .path (a unix socket)."""
        found = LISTENING.search(self.wait_for("listening on ", timeout=timeout))
        assert found, f"no address in the error log: {self.errors}"
        self.scheme = found["scheme"] or "http"
        self.path: str | None = found["path"]
        host, port = (found["v6"], found["port6"]) if found["v6"] else (found["v4"], found["port"])
        self.address: tuple[str, int] = ("", 0) if self.path else (host, int(port))

    @property
    def url(self) -> str:
        host, port = self.address
        return f"{self.scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    def connect(self, timeout: float = 10.0) -> socket.socket:
        """A connected plain socket."""
        if self.path:
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(timeout)
            sock.connect(self.path)
            return sock
        return socket.create_connection(self.address, timeout=timeout)

    def client(self, timeout: float = 10.0) -> http.client.HTTPConnection:
        """A keep-alive client that has not connected yet."""
        return _Unix(self.path, timeout) if self.path else http.client.HTTPConnection(*self.address, timeout=timeout)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
    ) -> Answer:
        """One request on a connection of its own."""
        with contextlib.closing(self.client(timeout)) as client:
            client.request(method, path, body=body, headers=dict(headers or {}))
            got = client.getresponse()
            return Answer(got.status, got.reason, got.headers, got.read())

    def get(self, path: str, **keywords: object) -> Answer:
        return self.request("GET", path, **keywords)  # type: ignore[arg-type]

    def send(self, number: signal.Signals) -> None:
        """A signal to the master."""
        self.process.send_signal(number)

    def wait(self, timeout: float = START_S) -> int:
        """Waits for the master's end and the last of both logs; gives the exit status (negative: a signal)."""
        status = self.process.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
        return status

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout: float = START_S) -> int:
        """Asks it to stop, and gives its exit status."""
        if self.process.poll() is None:
            self.send(number)
        return self.wait(timeout)

    def processes(self) -> list[int]:
        """The pids of everything this server started and that is still there, the master among them."""
        there: dict[int, tuple[int, int]] = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError):
                    # proc_pid_stat(5): after the name, which may hold anything: state, ppid, pgrp, session
                    fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
                    if fields[0] != "Z":
                        there[int(entry)] = (int(fields[1]), int(fields[3]))
        # A program's master has a session of its own, which is remembered beyond the program's end.
        found: set[int] = set()
        while True:
            more = {
                pid for pid, (parent, session) in there.items() if session in self._sessions or parent in found
            } - found
            if not more:
                return sorted(found)
            found |= more
            self._sessions |= {there[pid][1] for pid in more}

    def kill(self) -> None:
        """Ends whatever of it is left, at once."""
        # Stopped, none of them replaces another; what was forked meanwhile is found by the next look.
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        while left := self.processes():
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait(10)
        for reader in self._readers:
            reader.join(10)
