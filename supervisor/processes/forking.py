"""How a child of the master is born: the fork, and the first steps that every one of them takes.

Owns what a child must undo of its master: signals, exit handlers, descriptors, rights. Knows nothing of what the
child goes on to do. `fork` is called by the master, `Birth.settle` in the child.

Signals: INT, TERM, QUIT, HUP, USR1, USR2, TTIN and TTOU do nothing in a child, whoever sends them (a terminal's
Ctrl-C or service manager's TERM reaches the whole group): the master hears them too, and commands by the channel.
They are caught, not ignored, so that programs the application starts have them at their defaults.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

import setproctitle

from ..logs.childlog import connect
from ..logs.stdio import guard_standard_streams
from ..system.kernel import die_with_parent

__all__ = ["MASTER_SIGNALS", "Birth", "become_child_of", "fork", "leave_to_master"]

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


_LOOK_S = 0.0005


def fork(live: Callable[[], NoReturn]) -> int:
    """Fork a child that does nothing but `live` (in the master); give its pid. OSError when it cannot be."""
    # a signal that reached the child before its own settings would come out of the master's wakeup socket
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, MASTER_SIGNALS)
    try:
        pid = os.fork()
        if pid == 0:
            try:
                live()
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def become_child_of(master_pid: int, between: int) -> None:
    """Wait until the master has adopted this process (in a worker, whose parent `between` is ending), and have the
    kernel kill it when the master dies, whatever Python is stuck in. Ends the process if the master has died
    already."""
    while os.getppid() == between:  # else its end would be taken for the master's
        time.sleep(_LOOK_S)
    die_with_parent()
    if os.getppid() != master_pid:
        os._exit(0)


def leave_to_master(number: int, frame: FrameType | None) -> None:
    """The master hears the signal too."""


@dataclass(slots=True)
class Birth:
    """What a child is told by its fork."""

    title: str
    master_pid: int
    stderr_fd: int
    """What is to be descriptor 2, -1 to keep it."""
    abandon: Callable[[], None]
    """Closes what is the master's alone."""
    records_fd: int = -1
    """Where its records for the error log go, see `childlog`."""
    error_format: str = "text"

    def settle(self) -> None:
        """Take the first steps (in the child; signals are blocked before)."""
        signal.set_wakeup_fd(-1)
        for number in MASTER_SIGNALS:
            signal.signal(number, leave_to_master)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        self.stay_with_master()
        atexit._clear()  # what whoever started the master registered is not for its children
        if (logging := sys.modules.get("logging")) is not None:
            atexit.register(logging.shutdown)
        if self.stderr_fd >= 0:
            os.dup2(self.stderr_fd, 2)
        records_fd = os.dup(self.records_fd) if self.records_fd >= 0 else -1
        connect(records_fd, self.error_format, self.title.partition(": ")[2])
        guard_standard_streams()
        self.abandon()
        setproctitle.setproctitle(self.title)

    def stay_with_master(self) -> None:
        """Die with the master from here on; to be said again after a change of user, which undoes it."""
        die_with_parent()
        if os.getppid() != self.master_pid:
            os._exit(0)
