"""What runs in a zygote, and in a worker before and after the application.

Owns the first steps of both processes: signals, title, rights, loading, forking, ending. A zygote loads the
application once and then only forks; it has one thread, so a fork of it is safe. A worker is forked twice:
the process between ends at once, so that the worker becomes the child of the master, which alone reaps and
replaces it. Knows nothing of the master's side but the messages.

Signals: INT, TERM, QUIT, HUP, USR1, USR2, TTIN and TTOU do nothing in a child, whoever sends them (a
terminal's Ctrl-C or service manager's TERM reaches the whole group): the master hears them too, and commands
by the channel. They are caught, not ignored, so that programs the application starts have them at their
defaults.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

import setproctitle

from .board import Board
from .context import Application, Context, LoadError
from .errorlog import log_line
from .identity import Identity
from .kernel import die_with_parent
from .messages import Message, Packet, receive, send

__all__ = ["MASTER_SIGNALS", "Zygote"]

MASTER_SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTTIN,
    signal.SIGTTOU,
)


def _leave_to_master(number: int, frame: FrameType | None) -> None:
    """The master hears the signal too."""


@dataclass(slots=True)
class Zygote:
    """What a zygote is told by the fork."""

    generation: int
    name: str
    application: Application
    identity: Identity
    board: Board
    listeners: list[socket.socket]
    channel: socket.socket
    stderr_fd: int
    """What is to be descriptor 2, -1 to keep it."""
    master_pid: int

    def main(self, abandon: Callable[[], None]) -> NoReturn:
        """Be the zygote: load, say READY, fork on command, end with the master.

        Signals are blocked on entry; `abandon` closes what was the master's alone.
        """
        try:
            self._settle(abandon)
            self._load()
            self._serve()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)

    def _settle(self, abandon: Callable[[], None]) -> None:
        signal.set_wakeup_fd(-1)
        for number in MASTER_SIGNALS:
            signal.signal(number, _leave_to_master)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        self._stay_with_master()
        atexit._clear()  # what whoever started the master registered is not for its children
        if (logging := sys.modules.get("logging")) is not None:
            atexit.register(logging.shutdown)
        if self.stderr_fd >= 0:
            os.dup2(self.stderr_fd, 2)
        abandon()
        setproctitle.setproctitle(f"{self.name}: zygote gen {self.generation}")
        self.channel.setblocking(True)

    def _stay_with_master(self) -> None:
        die_with_parent()
        if os.getppid() != self.master_pid:
            os._exit(0)

    def _load(self) -> None:
        try:
            self.identity.take_on()
            self._stay_with_master()  # a change of user has undone it
            self.application.load()
        except BaseException as error:
            own_frame = error.__traceback__
            shown = own_frame.tb_next if own_frame is not None else None
            told = isinstance(error, LoadError)
            text = str(error) if told else "".join(traceback.format_exception(type(error), error, shown))
            send(self.channel, Message.FAILED, text=text.encode("utf-8", "backslashreplace"))
            _flush()
            os._exit(1)
        if threading.active_count() > 1:
            here = threading.current_thread()
            names = ", ".join(thread.name for thread in threading.enumerate() if thread is not here)
            text = f"loading the application started threads, which no worker will have: {names}"
            os.write(2, log_line("warning", text))
        gc.collect()
        gc.freeze()
        _flush()

    def _serve(self) -> NoReturn:
        send(self.channel, Message.READY)
        while True:
            packet = receive(self.channel)
            if packet is None:
                continue
            if packet.message is Message.FORK:
                self._fork(packet)
            else:
                os._exit(0)

    def _fork(self, order: Packet) -> None:
        if order.descriptor < 0:
            os.write(2, log_line("error", "cannot fork a worker: too many open files to take its channel"))
            return
        try:
            pid = os.fork()
            if pid == 0:
                self._between(order)
            os.waitpid(pid, 0)
        except OSError as error:
            os.write(2, log_line("error", f"cannot fork a worker: {error.strerror}"))
        finally:
            os.close(order.descriptor)

    def _between(self, order: Packet) -> NoReturn:
        status = 1
        try:
            if os.fork() == 0:
                self._work(order)
            status = 0
        except OSError as error:
            os.write(2, log_line("error", f"cannot fork a worker: {error.strerror}"))
        finally:
            os._exit(status)

    def _work(self, order: Packet) -> NoReturn:
        """Be a worker."""
        status = 1
        try:
            channel = socket.socket(fileno=order.descriptor)
            channel.setblocking(False)
            send(channel, Message.FORKED, os.getpid())
            self.channel.close()
            row, slot = divmod(order.number, 1 << 32)
            setproctitle.setproctitle(f"{self.name}: worker {slot} gen {self.generation}")
            place = self.board.rows[row]
            context = Context(slot, self.generation, place, self.board, self.listeners, channel)
            self.application.run(context)
            status = 0
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(BaseException):
                atexit._run_exitfuncs()
            _flush()
            os._exit(status)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
