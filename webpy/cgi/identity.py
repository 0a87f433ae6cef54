"""Owns the look-up of the user who runs scripts if the worker runs as root. The spawner switches to it."""

from __future__ import annotations

import os
import pwd

__all__ = ["Identity", "identity_of"]

Identity = tuple[int, ...]
"""Numbers of a user, its group, and all groups that the user is in."""


def identity_of(user: str) -> Identity:
    """Return the numbers for a user's name. Raises ValueError for an unknown user."""
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise ValueError(f"cgi: got user {user!r}, wanted a user of this system") from None
    return entry.pw_uid, entry.pw_gid, *os.getgrouplist(user, entry.pw_gid)
