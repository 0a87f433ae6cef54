"""A tiny application under a real supervisor, for the tests: answers one line a connection and logs a record for it.

Run as `python -m tests.supervisor.echo SETTINGS [LISTENER_FD] [STOP_FD]`: SETTINGS is a JSON file, read anew at every
reload: "config" holds keywords of Config, the rest says how the application is to behave.
"""

from __future__ import annotations

import json
import math
import os
import random
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from typing import Any

from webpy.supervisor import (
    BUCKETS,
    SENDING,
    TEXT_BYTES,
    Application,
    Cell,
    Config,
    Context,
    Message,
    Row,
    Sidecar,
    SidecarContext,
    Supervisor,
    bucket,
)
from webpy.supervisor.control.client import ControlClient


class Content:
    """What an Echo takes on without a reload: the bytes of a file, but for some words."""

    name = "letters"

    def __init__(self, path: str, in_use: bytes = b"") -> None:
        self.path = path
        self.in_use = in_use or self.read()
        self.seen = self.in_use
        self.zygote_pid = 0

    def read(self) -> bytes:
        with open(self.path, "rb") as file:
            return file.read()

    def changed(self, *, settled: bool) -> bytes | None:
        seen, self.seen = self.seen, self.read()
        if settled and seen == self.seen:
            return None
        return None if self.seen == self.in_use else self.seen

    def content(self) -> bytes:
        return self.in_use

    def keep(self, content: bytes) -> None:
        self.in_use = content

    def take(self, content: bytes) -> None:
        match content:
            case b"bad":
                raise ValueError("these are no letters")
            case b"fault":
                raise RuntimeError("it cannot read")
            case b"deadly":
                os._exit(9)
            case b"loaders" if os.getpid() != self.zygote_pid:
                raise ValueError("not for workers")
        self.in_use = content

    def facts(self) -> dict[str, Any]:
        self.zygote_pid = os.getpid()
        return {"in_use": self.in_use.decode(), "pid": os.getpid()}

    def warnings(self, facts: dict[str, Any]) -> list[str]:
        return [f"the letters are {facts.get('in_use')}"] if "old" in str(facts.get("in_use")) else []


class Echo(Application):
    def __init__(self, behaviour: dict[str, object]) -> None:
        self.behaviour = behaviour
        self.renewable = Content(str(behaviour["content"])) if "content" in behaviour else None
        self.tasks: list[threading.Thread] = []
        self.ballast: list[bytes] = []
        self.lost_lock = threading.Lock()
        self.lost_lock.acquire()

    def load(self) -> None:
        time.sleep(float(str(self.behaviour.get("load_s", 0))))
        match self.behaviour.get("load"):
            case "raise":
                raise RuntimeError("no such module")
            case "exit":
                sys.exit("not today")
            case "vanish":
                os._exit(7)
            case "thread":
                threading.Thread(target=time.sleep, args=(0.01,), name="ticker").start()

    def lost(self, text: bytes, started: float, row: Row) -> bytes:
        if text == b"unspeakable":
            raise ValueError("cannot say")
        return b"killed " + text + b"\n"

    def run(self, context: Context) -> None:
        match self.behaviour.get("run"):
            case "exit":
                os._exit(9)
            case "silent":
                time.sleep(60)
        if self.behaviour.get("fail_after") and int(str(self.behaviour["fail_after"])) <= self.runs(context):
            time.sleep(60)
        if self.renewable is not None:
            context.renew = self.renewable.take
        if self.behaviour.get("run") != "unready":
            context.ready()
        poll = select.poll()
        poll.register(context.channel, select.POLLIN)
        for listener in context.listeners:
            poll.register(listener, select.POLLIN)
        by_fd = {listener.fileno(): listener for listener in context.listeners}
        beat_ms = 50 if self.behaviour.get("beat") else None
        while True:
            ready = poll.poll(beat_ms)
            context.row.cells[Cell.HEARTBEAT_NS] = time.monotonic_ns()
            for fd, _ in ready:
                if fd in by_fd:
                    self.accept(context, by_fd[fd])
                    continue
                message = context.receive()
                if message is Message.ORPHANED:
                    os._exit(0)
                if message is Message.STOP:
                    for listener in context.listeners:
                        while self.accept(context, listener):
                            pass
                if message in (Message.DRAIN, Message.STOP):
                    time.sleep(float(str(self.behaviour.get("drain_s", 0))))
                    self.end_tasks(context)
                    return

    def runs(self, context: Context) -> int:
        """How many workers have come this far before."""
        return sum(bool(row.cells[Cell.READY_NS]) for row in context.scoreboard.rows)

    def end_tasks(self, context: Context) -> None:
        """Wait for the threads of `task`, hearing the master meanwhile."""
        while any(task.is_alive() for task in self.tasks):
            time.sleep(0.01)
            context.row.cells[Cell.HEARTBEAT_NS] = time.monotonic_ns()
            match context.receive():
                case Message.ORPHANED:
                    os._exit(0)
                case Message.STOP:
                    os.write(2, b"STOP while draining\n")

    def task(self, context: Context, kind: bytes, argument: float) -> None:
        """Do something as an activity of its own, in a thread."""
        activity = next(activity for activity in context.row.activities[1:] if not activity.start[0])
        activity.text[:] = (b"10.0.0.1  task %s" % kind).ljust(TEXT_BYTES, b"\0")
        activity.start[0] = time.monotonic()

        def work() -> None:
            if kind not in (b"queued", b"sending"):
                activity.thread[0], activity.ident[0] = threading.get_native_id(), threading.get_ident()
            match kind:
                case b"spin":
                    spin_for_ever()
                case b"lock":
                    wait_for_a_lost_lock(self.lost_lock)
                case b"sending":
                    activity.ident[0] = SENDING
                    time.sleep(argument)
                case b"stream":
                    activity.ident[0] = 0
                    until = time.monotonic() + argument
                    while time.monotonic() < until:
                        activity.start[0] = time.monotonic()
                        time.sleep(0.05)
                case _:
                    time.sleep(argument)
            activity.thread[0] = activity.ident[0] = 0
            activity.start[0] = 0.0

        self.tasks.append(threading.Thread(target=work, daemon=True))
        self.tasks[-1].start()

    def accept(self, context: Context, listener: socket.socket) -> bool:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return False
        with connection:
            connection.settimeout(10)
            try:
                line = connection.makefile("rb").readline().strip()
                connection.sendall(self.answer(context, line) + b"\n")
            except OSError:
                pass
        return True

    def answer(self, context: Context, line: bytes) -> bytes:
        began = time.monotonic()
        own = context.row.activities[0]
        own.text[:] = line.ljust(TEXT_BYTES, b"\0")[:TEXT_BYTES]
        own.thread[0], own.ident[0] = threading.get_native_id(), threading.get_ident()
        own.start[0] = began
        word, _, rest = line.partition(b" ")
        about = b"%d %d %d %s" % (
            os.getpid(),
            context.slot,
            context.generation,
            str(self.behaviour.get("answer", "")).encode(),
        )
        match word:
            case b"hold":
                time.sleep(float(rest))
            case b"die":
                os._exit(int(rest))
            case b"fill":
                for number in range(int(rest)):
                    context.row.lead.write(b"fill %d %s\n" % (number, b"z" * 1000))
            case b"task":
                kind, _, argument = rest.partition(b" ")
                self.task(context, kind, float(argument or 0))
            case b"content" if self.renewable is not None:
                about = self.renewable.in_use
            case b"scribble":
                scribble(context, rest)
            case b"hush":
                context.row.lead.write(b"hushed\n")
                context.scoreboard.asleep[0] = 0
            case b"gil":
                hold_the_gil()
            case b"grow":
                self.ballast.append(b"x" * (int(rest) << 20))
            case b"stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            case b"say":
                os.write(2, rest + b"\n")
            case b"mutter":
                os.write(2, rest)
            case b"orphan":
                subprocess.run(["sh", "-c", "sleep 0.1 & sleep 0.2 & exec 2>&- >&-"], check=True)
            case b"env":
                about = json.dumps({name: os.environ[name] for name in os.environ}).encode()
            case b"fds":
                about = json.dumps({int(fd): _target(fd) for fd in os.listdir("/proc/self/fd")}).encode()
            case b"ids":
                about = b"%d %d %o %s" % (os.getuid(), os.getgid(), _umask(), os.getcwd().encode())
            case b"flood":
                for number in range(int(rest)):
                    context.row.lead.write(b"flood %d %d %s\n" % (os.getpid(), number, b"x" * 80))
                    context.row.pool.write(b"pool %d %d %s\n" % (os.getpid(), number, b"y" * 80))
        if word in (b"scribble", b"hush"):
            return about
        context.row.lead.write(b"%s by %d\n" % (line, os.getpid()))
        context.row.lead.latency[2 * BUCKETS + bucket(int((time.monotonic() - began) * 1e6))] += 1
        context.scoreboard.wake()
        own.start[0] = 0.0
        return about


def scribble(context: Context, how: bytes) -> None:
    """Write over this worker's whole row, as an attacker may: all bits set, all NaN, or random bytes of a seed."""
    row, dice = context.row, random.Random(how)
    parts = [row.cells, row.lead._cells, row.pool._cells, row.lead.latency, row.pool.latency, row._activities_memory]
    for part in (*parts, row.lead._ring[:65536], context.scoreboard.load[row.index : row.index + 1]):
        match how:
            case b"ones":
                data = b"\xff" * part.nbytes
            case b"nan":
                data = struct.pack("<d", math.nan) * (part.nbytes // 8)
            case b"inf":
                data = struct.pack("<d", -math.inf) * (part.nbytes // 8)
            case _:
                data = dice.randbytes(part.nbytes)
        part.cast("B")[:] = data


def spin_for_ever() -> None:
    while True:
        pass


def wait_for_a_lost_lock(lock: threading.Lock) -> None:
    with lock:
        pass


def hold_the_gil() -> None:
    re.match("(a+)+$", "a" * 40 + "b")  # for hours, in C


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _target(fd: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return "gone"


def beside(context: SidecarContext) -> None:
    """A sidecar: answers one line a connection, as long as its master lets it."""
    context.ready()
    client = ControlClient(context.control)
    poll = select.poll()
    for source in (context.channel, *context.listeners):
        poll.register(source, select.POLLIN)
    while True:
        if any(fd == context.channel.fileno() for fd, _ in poll.poll()):
            message = context.receive()
            if message is Message.ORPHANED:
                os.write(2, b"page is orphaned\n")
            if message is not None:
                return
            continue
        for listener in context.listeners:
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                continue
            with connection:
                word, _, rest = connection.makefile("r").readline().strip().partition(" ")
                if word == "die":
                    os._exit(int(rest))
                if word == "ask":
                    about = json.dumps(client.ask(rest))
                else:
                    about = json.dumps({int(fd): _target(fd) for fd in os.listdir("/proc/self/fd")})
                connection.sendall(f"{os.getpid()} {os.getuid()} {about}\n".encode())


def main() -> int:
    path, listener_fd, stop_fd = (*sys.argv[1:], "", "")[:3]

    def configure() -> tuple[Config, Application]:
        with open(path, encoding="utf-8") as file:
            settings = json.load(file)
        settings["config"]["binds"] = tuple(settings["config"].get("binds", ("127.0.0.1:0",)))
        for sidecar in settings.get("sidecars", ()):
            sidecar["binds"] = tuple(sidecar["binds"])
        settings["config"]["sidecars"] = tuple(Sidecar(run=beside, **each) for each in settings.pop("sidecars", ()))
        return Config(**settings.pop("config")), Echo(settings)

    listeners = [socket.socket(fileno=int(listener_fd))] if listener_fd else None
    program = None if listener_fd or stop_fd else sys.orig_argv
    return Supervisor(configure, program=program).run(listeners, stop_fd=int(stop_fd) if stop_fd else None)


if __name__ == "__main__":
    sys.exit(main())
