"""Forking a child of the master, and the first steps that every child takes.

Owns what a child must undo of its master: signal handlers, exit handlers, descriptors. Knows nothing of what the child
goes on to do. `fork` is called in the master, `Birth.set_up` in the child.

Signals: INT, TERM, QUIT, HUP, USR1, USR2, TTIN and TTOU do nothing in a child. A terminal's Ctrl-C and a service
manager's TERM reach the whole process group, so the master gets them too, and tells its children by their channels what
to do. Children catch them and do not ignore them, as programs that the application starts would inherit that.
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

from ..config import Config
from ..logs.childlog import connect
from ..logs.errorlog import ErrorLog
from ..logs.stdio import guard_standard_streams
from ..system.kernel import die_with_parent
from ..system.oomscore import be_ended_first

__all__ = ["MASTER_SIGNALS", "Birth", "Output", "become_child_of", "fork", "leave_to_master"]

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
    """Fork a child that calls `live` and then ends; return its pid. Called in the master. Raises OSError if the system
    refuses."""
    # blocked until the child has set up its own handlers: the master's would write to the master's wakeup socket
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
    """Wait until this worker is the master's child, and have the kernel kill it when the master dies. Its parent
    `between` is ending, and the master is the subreaper. Ends the process if the master has died already."""
    while os.getppid() == between:  # else the end of `between` would be the one that kills it
        time.sleep(_LOOK_S)
    die_with_parent()
    if os.getppid() != master_pid:
        os._exit(0)


def leave_to_master(number: int, frame: FrameType | None) -> None:
    """Do nothing: the handler of MASTER_SIGNALS in a child."""


@dataclass(frozen=True, slots=True)
class Output:
    """Where a child's words for the error log go."""

    stderr_fd: int
    """What becomes descriptor 2; -1 to keep the one it has."""
    records_fd: int
    """The socket for its records (`childlog`), to be duplicated; -1 for none."""
    form: str
    """One of `errorformat.FORMS`."""

    @classmethod
    def of(cls, errors: ErrorLog, config: Config) -> Output:
        """Return that of a child with these settings. Called in the master, before the fork."""
        return cls(errors.child_fd(config.error_log), errors.records_fd(), config.error_format)


@dataclass(slots=True)
class Birth:
    """What a child inherits through its fork, and must set up first."""

    title: str
    master_pid: int
    output: Output
    abandon: Callable[[], None]
    """Closes what belongs to the master alone."""

    def set_up(self) -> None:
        """Set up signals, output, descriptors and the process title (in the child, where `fork` has blocked
        signals)."""
        signal.set_wakeup_fd(-1)
        for number in MASTER_SIGNALS:
            signal.signal(number, leave_to_master)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        self.stay_with_master()
        be_ended_first()
        atexit._clear()  # exit handlers registered in the master's process are not for its children
        if (logging := sys.modules.get("logging")) is not None:
            atexit.register(logging.shutdown)
        output = self.output
        if output.stderr_fd >= 0:
            os.dup2(output.stderr_fd, 2)
        records_fd = os.dup(output.records_fd) if output.records_fd >= 0 else -1
        connect(records_fd, output.form, self.title.partition(": ")[2])
        guard_standard_streams()
        self.abandon()
        setproctitle.setproctitle(self.title)

    def stay_with_master(self) -> None:
        """Have the kernel kill this child when the master dies; to be called again after a change of user, which undoes
        it. Ends the process if the master has died already."""
        die_with_parent()
        if os.getppid() != self.master_pid:
            os._exit(0)
