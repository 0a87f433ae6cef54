"""Owns the engine under `webpy serve`: when and where the listeners of `start`, `stop` and `exit` are called.

`begin` runs in the zygote, once for each generation. It calls the listeners of `start` before the workers are forked;
if one raises, the generation is not served. The listeners of `stop` and `exit` are called once for the whole server,
when the last worker of the last generation has ended: at a reload, workers still use what `start` set up. For that,
`begin` forks a process that waits for the end of its generation and calls them if no other generation is left.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..singleworker import require_single_worker
from ..supervisor import LoadError
from .configuration.config import config
from .process.bus import ChannelFailures, States
from .process.engine import engine
from .process.logs import log
from .process.settings import server
from .tree import tree

__all__ = ["begin", "end"]

_alone = 0  # calls of `begin` for servers in this process that have not ended


def begin(*, alone: bool = False) -> None:
    """Call the listeners of `start`, and arrange that those of `stop` and `exit` are called at the server's end.

    Raises LoadError if a listener raised, or if `DropPrivileges` was used. Called in the zygote. alone: called in a
    process that serves by itself, and calls `end`.
    """
    global _alone
    _note_what_needs_one_worker()
    _alone += alone
    if engine.state is not States.STOPPED:
        return
    engine.state = States.STARTING
    try:
        engine.publish("start")
    except ChannelFailures as failures:
        raise LoadError(f"a listener of 'start' raised: {failures}") from failures
    if server.user is not None or server.group is not None:
        raise LoadError("DropPrivileges: got it under `webpy serve`, wanted its options --user and --group instead")
    engine.state = States.STARTED
    if not alone and (engine.listeners["stop"] or engine.listeners["exit"]):
        _call_at_the_end(os.getppid())


def end() -> None:
    """Call the listeners of `stop`, in a process that serves by itself, when each `begin` of it has had its `end`."""
    global _alone
    _alone -= 1
    if not _alone and engine.state is States.STARTED:
        engine.state = States.STOPPING
        with contextlib.suppress(ChannelFailures):  # logged
            engine.publish("stop")
        engine.state = States.STOPPED


def _note_what_needs_one_worker() -> None:
    """Report sessions and cached pages that are kept in memory, which workers do not share. Their stores are opened by
    the first request, which is too late to refuse to serve."""
    for variable in ("WEBPY_SESSION", "WEBPY_CACHE"):
        if os.environ.get(variable) == "memory:":
            require_single_worker(engine, f"{variable}=memory:")
    sections = [config, *(section for app in tree.apps.values() for section in getattr(app, "config", {}).values())]
    if any(isinstance(section, dict) and section.get("tools.sessions.store") == "memory:" for section in sections):
        require_single_worker(tree, "tools.sessions.store (memory:)")


def _call_at_the_end(master_pid: int) -> None:
    """Fork a process that waits for this generation's end and then calls the listeners of `stop` and `exit`."""
    waiting, held = os.pipe()  # `held` stays open in the zygote and its workers only
    if os.fork() == 0:
        try:
            os.setsid()
            os.close(held)
            _close_sockets()
            with _locked(_lock_path(master_pid)) as lock:
                os.read(waiting, 1)  # returns at the end of the last worker; nothing is ever written
                if lock.is_last():
                    _end()
        except BaseException:
            log("the listeners of 'stop' could not be called", "ENGINE", 40, traceback=True)
        finally:
            os._exit(0)
    os.close(waiting)


def _close_sockets() -> None:
    """Close inherited sockets, so that the listeners' addresses become free when the server has ended."""
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        with contextlib.suppress(OSError):
            if fd > 2 and stat.S_ISSOCK(os.fstat(fd).st_mode):
                os.close(fd)


def _end() -> None:
    engine.state = States.STOPPING
    with contextlib.suppress(ChannelFailures):  # logged
        engine.publish("stop")
    engine.state = States.EXITING
    with contextlib.suppress(ChannelFailures):
        engine.publish("exit")


class _GenerationLock:
    """A shared lock on a file, which each generation of a server holds until it has ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_SH)

    def is_last(self) -> bool:
        """Return whether no other generation holds the lock; True for only one of two that ask at the same time."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self._path.unlink(missing_ok=True)
        return True

    def close(self) -> None:
        os.close(self._fd)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[_GenerationLock]:
    lock = _GenerationLock(path)
    try:
        yield lock
    finally:
        lock.close()


def _lock_path(master_pid: int) -> Path:
    """Return the path of this server's lock file, named by the master's pid and start time, as pids are reused."""
    # proc_pid_stat(5): after the name, which may hold anything, the 20th field is the start time
    started = Path(f"/proc/{master_pid}/stat").read_text().rpartition(")")[2].split()[19]
    folder = Path(tempfile.gettempdir()) / f"webpy-objects-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")
    return folder / f"{master_pid}-{started}"
