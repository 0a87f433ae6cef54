"""`--reload`: a sidecar that watches the source files and asks the master to reload when one changes. For development.

Owns what is watched: Python files below the current folder and below TARGET's, and the settings file. The file system
reports changes (watchfiles, the extra `reload`); nothing is polled. `sidecar` is called in the master; the rest runs in
the sidecar's process, where one thread watches and the main thread listens to the master.
"""

from __future__ import annotations

import logging
import os
import select
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from .settings import Resolved, SettingsError
from .supervisor import Message, Sidecar, SidecarContext, log_record

if TYPE_CHECKING:
    from watchfiles import Change

__all__ = ["AUTORELOAD", "is_installed", "sidecar"]

AUTORELOAD = "autoreload"
"""The title of the sidecar."""

_SETTLED_MS = 100  # an editor or a checkout writes several files: reload when none changed for so long
_STOP_CHECK_MS = 250  # between two checks whether to stop
_SHOWN_NAMES = 3
_TEMPLATES = (".html", ".jinja", ".jinja2", ".j2")  # which workers compile once


def sidecar(resolved: Resolved, target: str | None, reloaded: Callable[[], None] | None = None) -> Sidecar:
    """Return the sidecar that watches. Raises SettingsError when watchfiles is not installed.

    reloaded: called in the sidecar's process when a reload is done and its workers serve.
    """
    if not is_installed():
        raise SettingsError([f"{resolved.labels['reload']}: watchfiles is not installed: pip install 'webpy[reload]'"])
    folders = sorted(_folders(resolved, target))
    settings_file = resolved.file
    return Sidecar(
        AUTORELOAD,
        (),
        lambda context: _Autoreload(context, folders, settings_file, reloaded).run(),
        key=repr((folders, settings_file)),
    )


def is_installed() -> bool:
    """Return whether watchfiles can be imported."""
    try:
        return find_spec("watchfiles") is not None
    except ValueError:  # sys.modules has None for it: it is hidden
        return False


def _folders(resolved: Resolved, target: str | None) -> Iterator[str]:
    here = Path(resolved.settings.chdir or resolved.base).resolve()
    yield str(here)
    place = (target or "").rpartition(":")[0] or target or ""
    if place.endswith(".py"):
        beside = (here / place).resolve().parent
        if not beside.is_relative_to(here) and beside.is_dir():
            yield str(beside)


class _Autoreload:
    """Watches `folders` and `settings_file`, and asks for a reload at every change."""

    def __init__(
        self,
        context: SidecarContext,
        folders: list[str],
        settings_file: Path | None,
        reloaded: Callable[[], None] | None,
    ) -> None:
        self._context = context
        self._folders = folders
        self._settings_file = settings_file
        self._reloaded = reloaded
        self._over = threading.Event()

    def run(self) -> None:
        """Watch until the master stops this process (the main thread)."""
        # watchfiles logs every change at level info; the error log names the changed files below
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
        sources = PythonFilter(extra_extensions=_TEMPLATES)
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
            rust_timeout=_STOP_CHECK_MS,
            yield_on_timeout=True,
            stop_event=self._over,
            raise_interrupt=False,
        ):
            if not ready:  # it has scanned the folders once, so no change is missed from now on
                ready = True
                self._context.ready()
                log_record("info", f"watching {' and '.join(folders)}")
            if not changes:
                continue
            names = sorted({os.path.relpath(path) for _, path in changes})
            more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
            log_record("info", f"changed: {', '.join(names[:_SHOWN_NAMES])}{more}")
            reply = client.ask("reload", wait=True)  # changes meanwhile lead to one more reload
            if self._reloaded is not None and reply.get("ok"):
                self._reloaded()
