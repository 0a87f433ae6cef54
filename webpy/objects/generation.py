"""Owns the engine's life under `webpy serve`: `start` before a generation's workers are forked, `stop` after the last.

`begin` runs in the zygote. The listeners of `start` run there, once for each generation (the code is new, and so is
what they set up in memory); one that raises keeps the generation from being served. Those of `stop` and `exit` run once
a server: when the last worker of its last generation has ended, so that a reload takes nothing from under the workers.
They run in a process of their own, which waits for that, and has been forked where the listeners of `start` ran.
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

__all__ = ["begin"]


def begin() -> None:
    """Call the listeners of `start`, and have those of `stop` called at the end. Raises LoadError if one raised."""
    _tell_what_is_for_one_worker()
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
    if engine.listeners["stop"] or engine.listeners["exit"]:
        _keep_for_the_end(os.getppid())


def _tell_what_is_for_one_worker() -> None:
    """Sessions and pages in memory: their stores are opened by the first request, which is too late to refuse."""
    for variable in ("WEBPY_SESSION", "WEBPY_CACHE"):
        if os.environ.get(variable) == "memory:":
            require_single_worker(engine, f"{variable}=memory:")
    sections = [config, *(section for app in tree.apps.values() for section in getattr(app, "config", {}).values())]
    if any(isinstance(section, dict) and section.get("tools.sessions.store") == "memory:" for section in sections):
        require_single_worker(tree, "tools.sessions.store (memory:)")


def _keep_for_the_end(master_pid: int) -> None:
    """Fork the process that waits for this generation's end."""
    waiting, held = os.pipe()  # `held` stays open here and in every worker, and in nobody else
    if os.fork() == 0:
        try:
            os.setsid()
            os.close(held)
            _close_sockets()
            with _shared(_place(master_pid)) as place:
                os.read(waiting, 1)  # nothing ever comes: it is the last worker's end
                if place.is_last():
                    _end()
        except BaseException:
            log("the listeners of 'stop' could not be called", "ENGINE", 40, traceback=True)
        finally:
            os._exit(0)
    os.close(waiting)


def _close_sockets() -> None:
    """Addresses are free when the server has ended, and the master's channels are nobody else's."""
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


class _Place:
    """A file that every generation of a server has locked, shared, until it has ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_SH)

    def is_last(self) -> bool:
        """Whether no other generation is left. Of two that ask at once one is told so."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self._path.unlink(missing_ok=True)
        return True

    def close(self) -> None:
        os.close(self._fd)


@contextlib.contextmanager
def _shared(path: Path) -> Iterator[_Place]:
    place = _Place(path)
    try:
        yield place
    finally:
        place.close()


def _place(master_pid: int) -> Path:
    """A file of this server's own: a pid comes again, with another time of its start."""
    # proc_pid_stat(5): after the name, which may hold anything, the 20th field is the start
    started = Path(f"/proc/{master_pid}/stat").read_text().rpartition(")")[2].split()[19]
    folder = Path(tempfile.gettempdir()) / f"webpy-objects-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} is somebody else's")
    return folder / f"{master_pid}-{started}"
