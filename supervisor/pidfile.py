"""The file that says the master's pid.

Owns writing it at once and whole, refusing that of a living process, and removing only its own. Called by the
master.
"""

from __future__ import annotations

import contextlib
import os

from .config import SettingsError

__all__ = ["PidFile", "lives"]


class PidFile:
    """A pidfile at `path`; use `write` and `remove`."""

    def __init__(self, path: str) -> None:
        self._path = os.path.abspath(path)

    @property
    def path(self) -> str:
        return self._path

    def write(self) -> None:
        """Write this process's pid; SettingsError when a living process's is there or it cannot be
        written."""
        other = self._pid()
        if other is not None and other != os.getpid() and lives(other):
            raise SettingsError(f"pidfile is {self._path!r}: process {other} lives and holds it")
        temporary = f"{self._path}.{os.getpid()}"
        try:
            with open(temporary, "w", encoding="ascii") as file:
                file.write(f"{os.getpid()}\n")
            os.replace(temporary, self._path)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise SettingsError(f"pidfile is {self._path!r}: cannot be written, {error.strerror}") from error

    def remove(self) -> None:
        """Remove the file if it still says this process's pid."""
        if self._pid() == os.getpid():
            with contextlib.suppress(OSError):
                os.unlink(self._path)

    def _pid(self) -> int | None:
        try:
            with open(self._path, "rb") as file:
                text = file.read(32).strip()
        except OSError:
            return None
        return int(text) if text.isdigit() and int(text) > 0 else None


def lives(pid: int) -> bool:
    """Whether there is a process of this number, be it somebody else's."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
