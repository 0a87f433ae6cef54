"""Owns what a worker of `webpy dev` does differently: it shows exceptions, prints a line for each request, and says at
its start what it serves.

`load` runs in the zygote of a generation, `run` in the worker.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ..framework.request import Request
from ..supervisor import Context, log_record
from ..worker import WebApplication
from .explanation import Explanation, is_local, is_loopback
from .loading import Loaded, load
from .terminal import Announcement, RequestLines, has_colours, listing

if TYPE_CHECKING:
    from ..accesslog import AccessFormat
    from ..framework.atomic import ResourceLocks
    from ..settings import Resolved
    from ..worker import Site

__all__ = ["DevApplication", "Options"]


@dataclass(frozen=True, slots=True)
class Options:
    """What `webpy dev` was asked for.

    target: TARGET; kind: its kind, None to find it out; show_locals: whether pages for exceptions have local variables;
    short_lines: whether a request is logged as a short line for the terminal, or as the settings say.
    """

    target: str
    kind: str | None = None
    show_locals: bool = False
    short_lines: bool = True


class DevApplication(WebApplication):
    """An application that is served to its developer."""

    def __init__(
        self, resolved: Resolved, options: Options, locks: ResourceLocks, announcement: Announcement
    ) -> None:
        self._options = options
        self._announcement = announcement
        self._usual_scheme = resolved.settings.usual_scheme
        self._loaded: Loaded | None = None
        self._shows = False  # whether all listeners can be reached from this machine only
        super().__init__(resolved, self._load_target, locks)
        self.explain = self._show

    def access_format(self, resolved: Resolved) -> AccessFormat | None:
        """Return short lines for the terminal, if they are wanted."""
        if not self._options.short_lines:
            return super().access_format(resolved)
        return RequestLines(has_colours(1, os.environ))

    def run(self, context: Context) -> None:
        """Say what is served, and serve it until the master says otherwise."""
        self._shows = all(_is_loopback(listener) for listener in context.listeners)
        if context.generation == 1:  # of a later one it is said when the worker before it has stopped accepting
            for line in self._beginning(context):
                log_record("info", line)
        super().run(context)

    def _load_target(self) -> Site:
        loaded = self._loaded = load(self._options.target, self._options.kind, partial(self._show, refresh=True))
        if loaded.error:
            log_record("error", loaded.error)
            self._announcement.set(f"every request is answered with this error until {loaded.name} is mended")
        else:
            for warning in loaded.warnings:
                log_record("warning", warning)
            self._announcement.set(f"reloaded {loaded.name}")
        return loaded.site

    def _show(self, request: Request, error: BaseException, refresh: bool = False) -> Explanation | None:
        """Return the answer that shows an exception, None for a client that must not see it."""
        if not (self._shows and is_local(request)):
            return None
        return Explanation(request, error, show_locals=self._options.show_locals, refresh=refresh)

    def _beginning(self, context: Context) -> Iterator[str]:
        loaded = self._loaded
        assert loaded is not None
        schemes = [scheme or self._usual_scheme for scheme in context.schemes]
        bases = [_base(*each) for each in zip(schemes, context.listeners, strict=True)]
        what = f"{loaded.name} ({loaded.kind})" if loaded.kind else f"the error of {loaded.name}, until it is mended"
        yield f"serving {what}, for development, listening on {' and '.join(bases)} (Ctrl-C stops it)"
        yield from listing(loaded.routes, next((base for base in bases if base.startswith("http")), ""))
        if not self._shows:
            away = next(_base("", each) for each in context.listeners if not _is_loopback(each))
            yield f"exceptions are not shown in the browser, as {away.strip(':/')} is not on the loopback address"


def _is_loopback(listener: socket.socket) -> bool:
    if listener.family not in (socket.AF_INET, socket.AF_INET6):
        return False  # a unix socket: who is behind it cannot be known
    return is_loopback(listener.getsockname()[0])


def _base(scheme: str, listener: socket.socket) -> str:
    """Return the address of a listener as a client would write it."""
    name = listener.getsockname()
    if not isinstance(name, tuple):
        return f"unix:{name if isinstance(name, str) else os.fsdecode(name)}"
    host, port = name[:2]
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
