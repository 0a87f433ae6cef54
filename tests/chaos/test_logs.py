"""The access log under load: rotated in both ways, or a pipe that is not read. Each answer has its line, by name."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import ROOT, Server

from .processes import state, until
from .rig import FORMAT, Load, Records, mixed, write_app

ROTATIONS = 10


@pytest.mark.slow
def test_rotation_by_renaming(chaos: Callable[..., Server], tmp_path: Path) -> None:
    server = chaos()
    log = tmp_path / "access.log"
    with Load(mixed(server), think_s=(0.0, 0.05)) as load:
        for number in range(ROTATIONS):
            log.rename(tmp_path / f"access.log.{number}")
            server.send(signal.SIGUSR1)
            until(lambda: log.exists() and log.stat().st_size, "lines come in the new file")
        report = load.stop()
    assert server.stop() == 0
    files = sorted(tmp_path.glob("access.log*"))
    records = Records.read(*files)
    print(report.row(f"{ROTATIONS} rotations by rename and USR1", files=len(files), lines=records.answered.total()))
    assert len(files) == ROTATIONS + 1
    assert (report.lost, report.wrong, report.refused) == ([], [], [])
    assert report.closed(tls=False) == 0
    records.check(report)


@pytest.mark.slow
def test_rotation_by_copying_and_truncating(chaos: Callable[..., Server], tmp_path: Path) -> None:
    """As logrotate's copytruncate does. Lines between its copy and its truncation are always lost, so the master is
    stopped meanwhile: then every line that is missing was lost by webpy."""
    server = chaos()
    log = tmp_path / "access.log"
    with Load(mixed(server), think_s=(0.0, 0.05)) as load:
        for number in range(ROTATIONS):
            until(lambda: log.stat().st_size > 1000, "lines come")
            server.send(signal.SIGSTOP)
            until(lambda: state(server.pid) == "T", "the master stands still")
            (tmp_path / f"access.log.{number}").write_bytes(log.read_bytes())
            os.truncate(log, 0)
            server.send(signal.SIGCONT)
        report = load.stop()
    assert server.stop() == 0
    files = sorted(tmp_path.glob("access.log*"))
    records = Records.read(*files)
    print(report.row(f"{ROTATIONS} rotations by copytruncate", files=len(files), lines=records.answered.total()))
    assert b"\0" not in b"".join(path.read_bytes() for path in files)
    assert (report.lost, report.wrong, report.refused) == ([], [], [])
    assert report.closed(tls=False) == 0
    records.check(report)


class Pipe:
    """A server whose standard output is a pipe, which the test reads when it likes."""

    def __init__(self, serve: Callable[..., Server], folder: Path) -> None:
        self._path = folder / "pipe"
        self._kept = folder / "read.log"
        self.lines = 0
        os.mkfifo(self._path)
        self._fd = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(self._fd, True)
        self._reads = threading.Event()
        self._reads.set()
        self._leaves = False
        shell = f"exec \"$@\" > '{self._path}'"
        program = ("/bin/sh", "-c", shell, "sh", sys.executable, "-m", "webpy.cli", "serve")
        write_app(folder)
        options = ("--workers", "2", "--access-log", "-", "--access-format", FORMAT)
        self.server = serve(folder / "app.py", *options, program=program, env={"PYTHONPATH": str(ROOT)})
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with open(self._kept, "wb", buffering=0) as kept:
            while self._reads.wait() and not self._leaves and (data := os.read(self._fd, 1 << 14)):
                kept.write(data)
                self.lines += data.count(b"\n")
        os.close(self._fd)

    def pause(self) -> None:
        self._reads.clear()

    def go_on(self) -> None:
        self._reads.set()

    def leave(self) -> None:
        """Close the pipe after the next lines."""
        self._leaves = True

    def records(self) -> Records:
        """Return what was read, after the server's end."""
        self._reader.join(10)
        return Records.read(self._kept)


@pytest.mark.slow
def test_a_pipe_that_is_not_read_for_a_while(serve: Callable[..., Server], tmp_path: Path) -> None:
    pipe = Pipe(serve, tmp_path)
    with Load(mixed(pipe.server), think_s=(0.0, 0.05)) as load:
        until(lambda: pipe.lines > 200, "lines come")
        pipe.pause()
        time.sleep(3.0)  # some thousand lines, more than a pipe holds
        pipe.go_on()
        report = load.stop()
    assert pipe.server.stop() == 0
    records = pipe.records()
    print(report.row("standard output not read for 3 s", lines=records.answered.total()))
    assert (report.lost, report.wrong, report.refused) == ([], [], [])
    assert report.closed(tls=False) == 0
    assert report.slowest_s() < 1.0
    records.check(report)


@pytest.mark.slow
def test_a_pipe_that_nobody_reads_again(serve: Callable[..., Server], tmp_path: Path) -> None:
    """Neither requests nor a stop wait for the pipe; lines that find no room are counted."""
    pipe = Pipe(serve, tmp_path)
    server = pipe.server
    with Load(mixed(server, pad_bytes=6000), think_s=(0.0, 0.02)) as load:
        until(lambda: pipe.lines > 20, "lines come")
        pipe.pause()
        server.wait_for("the access log accepts no more lines for now", timeout=30)
        answered = load.counts()["answered"]
        until(lambda: load.counts()["answered"] > answered + 500, "requests are answered on", 10.0)
        report = load.stop()
    server.send(signal.SIGTERM)
    began = time.monotonic()
    status = server.process.wait(20)
    took_s = time.monotonic() - began
    pipe.go_on()
    assert server.wait() == status == 0
    print(report.row("standard output not read any more", stop=f"{took_s:.1f} s"))
    assert (report.lost, report.wrong, report.refused) == ([], [], [])
    assert took_s < 6.0
    assert any("lines of the access log were discarded" in line for line in server.errors)
    records = pipe.records()
    assert len(records.torn) <= 1, "what the pipe took last may be half a line"


@pytest.mark.slow
def test_a_pipe_whose_reader_goes_away(serve: Callable[..., Server], tmp_path: Path) -> None:
    pipe = Pipe(serve, tmp_path)
    server = pipe.server
    with Load(mixed(server)) as load:
        until(lambda: pipe.lines > 200, "lines come")
        pipe.leave()
        server.wait_for("standard output has gone")
        time.sleep(1.0)  # of load without a log
        report = load.stop()
    assert server.stop() == 0
    gone = [line for line in server.errors if "standard output has gone" in line]
    print(report.row("standard output to a closed pipe", said=len(gone)))
    assert len(gone) == 1
    records = pipe.records()
    assert len(records.torn) <= 1, "what was read last may be half a line: the rest went with the pipe"
    assert max(records.answered.values()) == 1 and set(records.answered) <= set(report.names)
    assert (report.lost, report.wrong, report.refused) == ([], [], [])
    assert report.closed(tls=False) == 0
