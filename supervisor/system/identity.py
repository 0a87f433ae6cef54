"""User, groups, umask and working directory of the children: looked up in the master, taken on by each child.

Owns the order of the system calls, which matters: groups first, the user last. Knows nothing of what the children do.
"""

from __future__ import annotations

import grp
import os
import pwd
from dataclasses import dataclass

from ..config import Config, SettingsError

__all__ = ["Identity", "group_number"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Numbers of a user and a group, and what goes with them; None stands for that of the master."""

    uid: int | None = None
    gid: int | None = None
    user: str | None = None
    """The user's name, for its supplementary groups."""
    umask: int | None = None
    chdir: str | None = None

    @classmethod
    def of(cls, config: Config) -> Identity:
        """Return what `config` names (in the master). Raises SettingsError if it does not exist, or may not be taken
        on."""
        uid = gid = name = None
        if config.user is not None:
            entry = _user(config.user)
            uid, gid, name = entry.pw_uid, entry.pw_gid, entry.pw_name
        if config.group is not None:
            gid = group_number("group", config.group)
        if os.geteuid() != 0:
            for wanted, own, what in ((uid, os.geteuid(), "user"), (gid, os.getegid(), "group")):
                if wanted not in (None, own):
                    asked = getattr(config, what) or config.user
                    raise SettingsError(f"{what} is {asked!r}: only root may change to it")
        if config.chdir is not None and not os.path.isdir(config.chdir):
            raise SettingsError(f"chdir is {config.chdir!r}: a directory is wanted")
        return cls(uid, gid, name, config.umask, config.chdir)

    def take_on(self) -> None:
        """Give this process the identity (in a zygote or sidecar, before the application is loaded). Raises OSError if
        that is refused."""
        if self.umask is not None:
            os.umask(self.umask)
        if self.gid is not None and self.gid != os.getegid():
            os.setgid(self.gid)
        if os.geteuid() == 0 and (self.uid is not None or self.gid is not None):
            if self.user is not None and self.gid is not None:
                os.initgroups(self.user, self.gid)
            elif self.gid is not None:
                os.setgroups([self.gid])
        if self.uid is not None and self.uid != os.geteuid():
            os.setuid(self.uid)
        if self.chdir is not None:
            os.chdir(self.chdir)


def _user(text: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(int(text)) if text.isdecimal() else pwd.getpwnam(text)
    except (KeyError, OverflowError):
        raise SettingsError(f"user is {text!r}: a user of this system is wanted, name or number") from None


def group_number(setting: str, text: str) -> int:
    """Return the number of the group that `text`, the value of `setting`, names. Raises SettingsError."""
    if text.isdecimal():
        return int(text)
    try:
        return grp.getgrnam(text).gr_gid
    except KeyError:
        raise SettingsError(f"{setting} is {text!r}: a group of this system is wanted, name or number") from None
