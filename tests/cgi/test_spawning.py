"""The spawner, used by the test's own process."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cgi.processes import await_end
from webpy.cgi import spawning
from webpy.cgi.spawning import Busy, Job, Process, TooLong, start


@pytest.fixture(autouse=True)
def own_spawner() -> Iterator[None]:
    yield
    spawning._drop_spawner()


def sh(script: str, directory: str = "/", **environment: str) -> Process:
    variables = [f"{name}={value}".encode() for name, value in environment.items()]
    job = Job(b"/bin/sh", [b"sh", b"-c", script.encode()], variables, os.fsencode(directory), None)
    with open(os.devnull, "rb") as nothing:
        return start(job, nothing.fileno(), 8)


def until_over(process: Process) -> Process:
    poller = select.poll()
    poller.register(process.control, select.POLLIN)
    assert poller.poll(10_000)
    process.listen()
    return process


def test_a_program_is_run_and_its_end_told() -> None:
    process = sh("echo out $A; pwd; echo err >&2; exit 7", "/tmp", A="1")
    assert process.stdout.read() == b"out 1\n/tmp\n"
    assert process.stderr.read() == b"err\n"
    assert until_over(process).status == 7
    process.release()
    killed = sh("kill -TERM $$")
    assert until_over(killed).status == -signal.SIGTERM
    killed.end()


def test_it_begins_with_nothing_of_the_worker_s() -> None:
    """A script begins with default signals, in a session of its own, without inherited descriptors."""
    process = sh(
        "ps -o sid= -p $$ | tr -d ' '; echo $$; ls /proc/$$/fd; exec grep Sig /proc/self/status",
        PATH=os.environ["PATH"],
    )
    session, pid, *lines = process.stdout.readall().decode().split("\n")
    assert session == pid
    assert [line for line in lines if line.isdigit()] == ["0", "1", "2"]
    masks = dict(line.split(":\t") for line in lines if line.startswith("Sig"))
    assert int(masks["SigBlk"], 16) == int(masks["SigIgn"], 16) == 0
    until_over(process).release()


@pytest.mark.parametrize(("directory", "stage"), [("/no/such/place", "directory"), ("/", "run")])
def test_what_cannot_be_started_is_told(directory: str, stage: str) -> None:
    program = b"/bin/sh" if stage != "run" else b"/no/such/program"
    with open(os.devnull, "rb") as nothing:
        process = start(Job(program, [b"x"], [], directory.encode(), None), nothing.fileno(), 8)
    failure = until_over(process).failure
    assert failure is not None and (failure.stage, os.strerror(failure.errno)) == (stage, "No such file or directory")
    process.end()


def test_ending_reaches_past_copies_of_the_control() -> None:
    """Processes that the application has forked have such copies."""
    process = sh("echo $$; sleep 600")
    pid = int(process.stdout.read(100))
    copy = os.dup(process.control.fileno())
    process.end()
    await_end([pid])
    os.close(copy)


def test_one_spawner_for_all_and_another_when_it_dies() -> None:
    first, second = sh("echo $PPID $$; exec sleep 600"), sh("echo $PPID $$; exec sleep 600")
    spawner, *scripts = map(int, (first.stdout.read(100) + second.stdout.read(100)).split())
    assert scripts.pop(1) == spawner
    assert os.getsid(spawner) == spawner
    os.kill(spawner, signal.SIGTERM)  # as a service manager sends to everybody
    os.kill(spawner, signal.SIGINT)
    third = sh("echo $PPID")
    assert int(third.stdout.read(100)) == spawner
    until_over(third).release()
    os.kill(spawner, signal.SIGKILL)
    assert until_over(first).lost and until_over(second).lost
    for script in scripts:  # nobody is left to end them: under a server they are its leftovers
        os.kill(script, signal.SIGKILL)
    fourth = sh("echo $PPID")
    assert int(fourth.stdout.read(100)) != spawner
    for process in (first, second, fourth):
        process.end()


def test_bounds(tmp_path: Path) -> None:
    with open(os.devnull, "rb") as nothing:
        with pytest.raises(TooLong):
            start(Job(b"/bin/sh", [b"sh", b"x" * 140_000], [], b"/", None), nothing.fileno(), 8)
        process = sh("sleep 600")
        with pytest.raises(Busy):
            start(Job(b"/bin/sh", [b"sh"], [], b"/", None), nothing.fileno(), 1)
        process.end()
        process.end()
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            again = sh("exit 0")
            until_over(again).release()
        assert len(os.listdir("/proc/self/fd")) == before
