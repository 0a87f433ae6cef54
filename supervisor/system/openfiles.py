"""The limit of open files (RLIMIT_NOFILE), which limits connections too: raised at the start as far as possible.

Knows nothing of what is opened. Called in the master before its first fork; its children inherit the limit.
"""

from __future__ import annotations

import resource
from collections.abc import Callable

__all__ = ["open_files", "raise_open_files"]

_MAX = 1 << 20  # Linux's fs.nr_open. Containers may allow 2**30, and some programs close every number up to the limit.
_SMALL = 1024


def open_files() -> int:
    """Return how many files this process may have open at a time."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MAX if soft == resource.RLIM_INFINITY else soft


def raise_open_files(say: Callable[[str, str], None]) -> None:
    """Raise the soft limit to the hard one, at most to 2**20. `say(level, text)` writes to the error log: the new
    limit, why it could not be raised, or that it is low."""
    before = open_files()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX if hard == resource.RLIM_INFINITY else min(hard, _MAX)
    if wanted > before:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError) as error:  # above what the system allows, whatever the hard limit says
            say("warning", f"the limit of open files (RLIMIT_NOFILE) stays at {before}, {wanted} was wanted: {error}")
        else:
            say("info", f"the limit of open files (RLIMIT_NOFILE) is {wanted} now, raised from {before}")
    if open_files() < _SMALL:
        say(
            "warning",
            f"only {open_files()} files may be open at a time in a process, connections included:"
            " raise RLIMIT_NOFILE (ulimit -n, LimitNOFILE= of systemd, --ulimit nofile= of Docker)",
        )
