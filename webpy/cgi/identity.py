"""Whom a script runs as when the worker is root.

Owns the look-up. The spawner takes the numbers on, in the script's process.
"""

from __future__ import annotations

import os
import pwd

__all__ = ["Identity", "identity_of"]

Identity = tuple[int, ...]
"""User, group, and all groups that the user is in."""


def identity_of(user: str) -> Identity:
    """The numbers of a user's name. Raises ValueError for one that this system does not have."""
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise ValueError(f"cgi: got user {user!r}, wanted a user of this system") from None
    return entry.pw_uid, entry.pw_gid, *os.getgrouplist(user, entry.pw_gid)
