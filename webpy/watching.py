"""`--reload`: a sidecar that watches the sources and asks the master to reload when one changes. For development.

Owns what is watched: every folder of Python sources below the current one and beside TARGET, and the settings file.
The file system tells (watchfiles, the extra `reload`); nothing is polled. `sidecar` is called in the master, the
rest runs in the sidecar's process, on a thread of its own beside the one that obeys the master.
"""

from __future__ import annotations

import logging
import os
import select
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from .settings import Resolved, SettingsError
from .supervisor import Message, Sidecar, SidecarContext, log_record

if TYPE_CHECKING:
    from watchfiles import Change

__all__ = ["sidecar"]

_SETTLED_MS = 100  # an editor or a checkout writes several files: when for so long none came, they are all there
_LOOK_MS = 250  # between two looks at whether all is over
_SHOWN = 3


def sidecar(resolved: Resolved, target: str | None) -> Sidecar:
    """The sidecar that watches. Raises SettingsError when watchfiles is not installed."""
    if not _installed():
        raise SettingsError([f"{resolved.labels['reload']}: watchfiles is not installed: pip install 'webpy[reload]'"])
    folders = sorted(_folders(resolved, target))
    settings_file = resolved.file
    return Sidecar(
        "watcher",
        (),
        lambda context: _Watcher(context, folders, settings_file).run(),
        key=repr((folders, settings_file)),
    )


def _installed() -> bool:
    try:
        return find_spec("watchfiles") is not None
    except ValueError:  # it is hidden: sys.modules has None for it
        return False


def _folders(resolved: Resolved, target: str | None) -> Iterator[str]:
    here = Path(resolved.settings.chdir or resolved.base).resolve()
    yield str(here)
    place = (target or "").rpartition(":")[0] or target or ""
    if place.endswith(".py"):
        beside = (here / place).resolve().parent
        if not beside.is_relative_to(here) and beside.is_dir():
            yield str(beside)


class _Watcher:
    """Asks for a reload at every change."""

    def __init__(self, context: SidecarContext, folders: list[str], settings_file: Path | None) -> None:
        self._context = context
        self._folders = folders
        self._settings_file = settings_file
        self._over = threading.Event()

    def run(self) -> None:
        """Watch until the master says otherwise (the main thread)."""
        # watchfiles says at level info what it sees: the error log is the master's, and it says that it reloads
        logging.getLogger("watchfiles").setLevel(logging.WARNING)
        watching = threading.Thread(target=self._watch, daemon=True)
        watching.start()
        poll = select.poll()
        poll.register(self._context.channel, select.POLLIN)
        while poll.poll():
            if self._context.receive() in (Message.DRAIN, Message.STOP, Message.ORPHANED):
                break
        self._over.set()
        watching.join(5)

    def _watch(self) -> None:
        from watchfiles import PythonFilter, watch

        from .supervisor.control.client import ControlClient

        client = ControlClient(self._context.control)
        sources = PythonFilter()
        settings = str(self._settings_file) if self._settings_file is not None else ""

        def matters(change: Change, path: str) -> bool:
            return path == settings or sources(change, path)

        folders = list(self._folders)
        if settings and not any(Path(settings).is_relative_to(folder) for folder in folders):
            folders.append(os.path.dirname(settings))
        ready = False
        for changes in watch(
            *folders,
            watch_filter=matters,
            step=_SETTLED_MS,
            rust_timeout=_LOOK_MS,
            yield_on_timeout=True,
            stop_event=self._over,
            raise_interrupt=False,
        ):
            if not ready:  # now that it has looked once, no change is missed any more
                ready = True
                self._context.ready()
            if not changes:
                continue
            names = sorted({os.path.relpath(path) for _, path in changes})
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            log_record("info", f"changed: {', '.join(names[:_SHOWN])}{more}")
            client.ask("reload", wait=True)  # changes meanwhile are one more reload after it
