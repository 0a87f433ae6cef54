"""A tiny application under a real supervisor, for the tests: answers one line a connection and logs a record for it.

Run as `python -m tests.supervisor.echo SETTINGS [LISTENER_FD] [STOP_FD]`: SETTINGS is a JSON file, read anew at every
reload: "config" holds keywords of Config, the rest says how the application is to behave.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import threading
import time

from webpy.supervisor import BUCKETS, LINE_BYTES, Application, Config, Context, Message, Row, Supervisor, bucket


class Echo(Application):
    def __init__(self, behaviour: dict[str, object]) -> None:
        self.behaviour = behaviour

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
        if self.behaviour.get("run") != "unready":
            context.ready()
        poll = select.poll()
        poll.register(context.channel, select.POLLIN)
        for listener in context.listeners:
            poll.register(listener, select.POLLIN)
        by_fd = {listener.fileno(): listener for listener in context.listeners}
        while True:
            for fd, _ in poll.poll():
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
                    return

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
        own = context.row.lines[0]
        own.text[:] = line.ljust(LINE_BYTES, b"\0")[:LINE_BYTES]
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
            case b"say":
                os.write(2, rest + b"\n")
            case b"fds":
                about = json.dumps({int(fd): _target(fd) for fd in os.listdir("/proc/self/fd")}).encode()
            case b"ids":
                about = b"%d %d %o %s" % (os.getuid(), os.getgid(), _umask(), os.getcwd().encode())
            case b"flood":
                for number in range(int(rest)):
                    context.row.lead.write(b"flood %d %d %s\n" % (os.getpid(), number, b"x" * 80))
                    context.row.pool.write(b"pool %d %d %s\n" % (os.getpid(), number, b"y" * 80))
        context.row.lead.write(b"%s by %d\n" % (line, os.getpid()))
        context.row.lead.latency[2 * BUCKETS + bucket(int((time.monotonic() - began) * 1e6))] += 1
        context.board.wake()
        own.start[0] = 0.0
        return about


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _target(fd: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return "gone"


def main() -> int:
    path, listener_fd, stop_fd = (*sys.argv[1:], "", "")[:3]

    def configure() -> tuple[Config, Application]:
        with open(path, encoding="utf-8") as file:
            settings = json.load(file)
        settings["config"]["binds"] = tuple(settings["config"].get("binds", ("127.0.0.1:0",)))
        return Config(**settings.pop("config")), Echo(settings)

    listeners = [socket.socket(fileno=int(listener_fd))] if listener_fd else None
    return Supervisor(configure).run(listeners, stop_fd=int(stop_fd) if stop_fd else None)


if __name__ == "__main__":
    sys.exit(main())
