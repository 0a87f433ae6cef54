"""Settings: every option webpy has, said once.

`schema` holds the one dataclass; the command line, the environment, `webpy.toml`, the keywords of `HTTPServer` and the
help all derive from it. `resolve` merges those sources and remembers where each value came from. Nothing here starts a
process, opens a socket or loads an application. Called by the command line, by `HTTPServer` and at every reload.
"""

from __future__ import annotations

from .cpus import effective_cpus
from .errors import SettingsError
from .resolve import Resolved, find_config, resolve
from .schema import NOT_IN_THIS_VERSION, OPTIONS, Option, Settings
from .toml import to_toml

__all__ = [
    "NOT_IN_THIS_VERSION",
    "OPTIONS",
    "Option",
    "Resolved",
    "Settings",
    "SettingsError",
    "effective_cpus",
    "find_config",
    "resolve",
    "to_toml",
]
