"""Settings: every option of webpy, defined in one place.

`schema` holds the dataclass from which the command line, the environment variables, `webpy.toml`, the keywords of
`HTTPServer` and the help are derived. `resolve` merges these sources and remembers where each value came from. `types`
and `addresses` read and show values, `checks` compares settings with each other and the machine, `aliases` knows names
from other servers, `toml` prints settings, `cpus` counts CPUs. Nothing here starts a process, opens a socket or loads
an application. Called by the command line, by `HTTPServer` and at every reload.
"""

from __future__ import annotations

from .addresses import split_scheme
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
    "split_scheme",
    "to_toml",
]
