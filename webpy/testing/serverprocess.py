"""Owns the process of a server that a test has started: its start, what it logs, and its end, whatever happens.

It runs in a session of its own, so that the terminal's Ctrl-C is the test's alone. It ends when it is told to, and also
when the test's process goes without a word (`kill -9`): the master waits at a pipe whose other end is here.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

from ..atfork import AtFork
from ..serving import serve_target
from .errors import StartError
from .order import Order

__all__ = ["Log", "ServerProcess", "main", "make_folder", "run", "run_forked"]

_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[3])
from webpy.testing.serverprocess import main
main(int(sys.argv[1]), sys.argv[2])
"""
_LONGEST_FOLDER = 80  # so that the path of a socket in it fits (unix(7))
_LAST_S = 5.0  # for the last of the logs, which a process that the application has left behind may hold open
_READ_BYTES = 65536


class Log:
    """What the server has written to one of its logs, read from a pipe by a thread."""

    def __init__(self, news: threading.Condition) -> None:
        self._news = news
        self._bytes = bytearray()
        self._reader, self.writer = os.pipe()
        self._thread = threading.Thread(target=self._read, daemon=True)

    @property
    def text(self) -> str:
        """All that has come so far."""
        return bytes(self._bytes).decode("utf-8", "backslashreplace")

    def begin(self) -> None:
        """Begin to read. The end that is written is the server's from now on."""
        os.close(self.writer)
        self._thread.start()

    def end(self) -> None:
        """Wait until all has been read."""
        self._thread.join(_LAST_S)

    def abandon(self) -> None:
        """Close the end that is read (in a forked child)."""
        self._close()

    def _read(self) -> None:
        while data := os.read(self._reader, _READ_BYTES):
            with self._news:
                self._bytes += data
                self._news.notify_all()
        self._close()

    def _close(self) -> None:
        reader, self._reader = self._reader, -1
        if reader >= 0:
            os.close(reader)


class ServerProcess(AtFork):
    """The process of a server.

    folder: a temporary one, for its sockets and its databases. control: its control socket. errors, accesses: its logs.
    news: told of each piece of them, and of the end. ended: set when the master has ended. status: its exit status once
    it has been waited for, negative for a signal; None before.
    """

    def __init__(self, order: Order, folder: Path, patience_s: float) -> None:
        """Start it. Raises OSError if there can be no process. patience_s: for its graceful stop."""
        self.folder = folder
        self.control = str(order.settings["control"])
        self._patience_s = patience_s
        self.news = threading.Condition()
        self.errors, self.accesses = Log(self.news), Log(self.news)
        self.ended = threading.Event()
        self.status: int | None = None
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notices.bind(str(folder / "notify"))
        self._stop_reader, self._stop_fd = os.pipe()
        self._lock = threading.Lock()
        super().__init__()
        start = self._spawn if order.has_name else self._fork
        self.pid, self._reap = start(order)
        os.close(self._stop_reader)
        for log in (self.errors, self.accesses):
            log.begin()
        threading.Thread(target=self._wait, daemon=True).start()

    # -- the start ----------------------------------------------------------------------------------------------------

    def _environment(self) -> dict[str, str]:
        """Return the environment of the server: the test's, but for what speaks of another server."""
        found = {name: value for name, value in os.environ.items() if not name.startswith(("LISTEN_", "NOTIFY_"))}
        found["NOTIFY_SOCKET"] = str(self.folder / "notify")
        found["PYTHONUNBUFFERED"] = "1"  # what the application prints is in the log at once
        if "XDG_STATE_HOME" not in found:
            found.setdefault("STATE_DIRECTORY", str(self.folder))
        return found

    def _spawn(self, order: Order) -> tuple[int, Callable[[], int]]:
        """Run another Python, which imports from where this one does."""
        path = [entry or os.getcwd() for entry in sys.path]
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(self._stop_reader), order.text(), json.dumps(path)],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=self.accesses.writer,
            stderr=self.errors.writer,
            pass_fds=(self._stop_reader,),
            start_new_session=True,
        )
        return process.pid, process.wait

    def _fork(self, order: Order) -> tuple[int, Callable[[], int]]:
        """Fork this process, as nothing else has the object that is to be served."""
        with warnings.catch_warnings():
            # Python warns that a process with threads forks; what runs in the child is the server, which needs none
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            try:
                os.setsid()
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(self.accesses.writer, 1)
                os.dup2(self.errors.writer, 2)
                os.close(self.accesses.writer)
                os.close(self.errors.writer)
                environment = self._environment()
                os.environ.clear()
                os.environ.update(environment)
                run_forked(order, self._stop_reader)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        return pid, lambda: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def after_fork_in_child(self) -> None:
        """Close what belongs to the test: or the server would not notice that the test is gone."""
        if self._stop_fd >= 0:  # a child may fork too, and has other files under these numbers
            os.close(self._stop_fd)
            self._stop_fd = -1
        for log in (self.errors, self.accesses):
            log.abandon()
        self._notices.close()

    def wait_until_ready(self, timeout_s: float) -> None:
        """Wait until all workers serve. Raises StartError with the server's own words if that does not happen."""
        give_up = time.monotonic() + timeout_s
        told: set[str] = set()
        self._notices.settimeout(0.05)
        while not {"READY", "STATUS"} <= told and not self.ended.is_set() and time.monotonic() < give_up:
            with contextlib.suppress(TimeoutError):
                for line in self._notices.recv(_READ_BYTES).decode("utf-8", "replace").splitlines():
                    told.add(line.partition("=")[0])
        if "READY" in told:
            return
        ended = self.ended.is_set()
        self.end(0.0)
        lines = [line for line in self.errors.text.splitlines() if "] [info] " not in line]
        said = "\n".join(lines) or f"the server ended with status {self.status}"
        raise StartError(said if ended else f"the server was not ready within {timeout_s:g} s\n{said}")

    # -- the end ------------------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        self.ended.set()
        with self.news:
            self.news.notify_all()

    def end(self, patience_s: float | None = None) -> int:
        """Stop gracefully; kill what has not ended within `patience_s` seconds. Return the exit status."""
        with self._lock:
            if self.status is not None:
                return self.status
            try:
                with contextlib.suppress(BrokenPipeError):  # it ends already
                    os.write(self._stop_fd, b"x")
                self.ended.wait(self._patience_s if patience_s is None else patience_s)
            finally:
                with contextlib.suppress(ProcessLookupError):  # the master is waited for only below: the pid is its own
                    os.killpg(self.pid, signal.SIGKILL)
                self.ended.wait()
                self.status = self._reap()
                os.close(self._stop_fd)
                self._stop_fd = -1
                self._notices.close()
                for log in (self.errors, self.accesses):
                    log.end()
                shutil.rmtree(self.folder, ignore_errors=True)
            return self.status


def make_folder() -> Path:
    """Return a new temporary folder whose path is so short that sockets fit into it."""
    folder = tempfile.mkdtemp(prefix="webpy-testing-")
    if len(folder) > _LONGEST_FOLDER:
        os.rmdir(folder)
        folder = tempfile.mkdtemp(prefix="webpy-testing-", dir="/tmp")
    return Path(folder)


# -- in the server's process ------------------------------------------------------------------------------------------


def run(order: Order, stop_fd: int) -> int:
    """Be the master until a byte or the end comes from `stop_fd`; return the exit status (in the server's process)."""
    return serve_target(order.load, order.resolve, order.name, stop_fd)


def main(stop_fd: int, text: str) -> None:
    """Run what `Order.text` has returned, as a program of its own."""
    sys.exit(run(Order(**json.loads(text)), stop_fd))


def run_forked(order: Order, stop_fd: int) -> None:
    """As `main`, in a fork of the test's process: output and logs are not the test's any more. Does not return."""
    status = 1
    try:
        for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
            setattr(sys, name, open(number, mode, buffering=1, closefd=False))  # noqa: SIM115 - stays open
        root = logging.getLogger()
        for handler in root.handlers[:]:
            if type(handler).__module__.startswith("_pytest."):  # it would keep the records in this process
                root.removeHandler(handler)
        status = run(order, stop_fd)
    finally:
        os._exit(status)
