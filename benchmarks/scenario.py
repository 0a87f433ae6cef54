"""Owns the conditions that a server is started under (`Scenario`) and the form of a server's recipe.

The rows choose the conditions, `recipes` makes command lines of them, `servers` runs these. Starts nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Recipe", "Scenario"]

CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(slots=True, frozen=True)
class Scenario:
    """The conditions that a server is started under: the same for all servers of a row."""

    threads: int = 64
    workers: int = 1
    logged: bool = False
    tls: bool = False
    import_s: float = 0.0
    every_cpu: bool = False  # not pinned to the server's CPU
    preload: bool = False  # gunicorn: import the application in the master
    routes: str = "benchmarks.apps.webpy_app:routes"  # what webpy serves, itself and from the other checkout
    wsgi: str = "benchmarks.apps.wsgi_app:app"  # what the WSGI servers serve, webpy's own host among them
    environment: tuple[tuple[str, str], ...] = ()  # variables for the application
    options: tuple[str, ...] = ()  # more options for webpy
    # filled in by `start`
    python: str = ""
    port: int = 0
    folder: Path = Path()
    static: Path = Path()
    certfile: Path = Path()
    keyfile: Path = Path()

    @property
    def log(self) -> Path:
        return self.folder / "access.log"


@dataclass(slots=True)
class Recipe:
    """A server's command line. log_is_stdout: its access log can only go to standard output."""

    command: Callable[[Scenario], list[str]]
    log_is_stdout: bool = False
    can_log: bool = True
    can_tls: bool = True
    checkout: Path = CHECKOUT  # where webpy is imported from
