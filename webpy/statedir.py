"""Owns where webpy keeps files of its own, and which files those are: databases that nobody named, stores that somebody
did, the file of settings.

The state directory, the first that can be written: $STATE_DIRECTORY (systemd's StateDirectory=), which then is the only
one; $XDG_STATE_HOME/webpy/NAME, or ~/.local/state/webpy/NAME, where NAME is of the current folder, so that two
applications of one user keep apart; `webpy-state` beside the pidfile. Never the current folder: that one may be served.

Whatever is kept, `is_private` knows it, so that no handler sends it. Knows no store and no handler; `webpy.store` asks
where, and `webpy.file` and its like ask what.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import re
from collections.abc import Iterator

__all__ = [
    "database",
    "directory",
    "is_private",
    "prepare_for_user",
    "register_private",
    "set_pidfile",
    "unwritable_paths",
    "user_name",
]

_NAMES = re.compile(rb"webpy\.toml|webpy-(?:store|sessions|auth|cache)\.sqlite3(?:-wal|-shm|-journal|\.lock)?")
_BESIDE = (b"-wal", b"-shm", b"-journal", b".lock")  # of SQLite, and of the locks of sessions

_private: dict[bytes, str] = {}  # absolute real path of a file or directory to what it is
_pidfile_folder: str | None = None
_roots_own: tuple[str, str] | None = None  # STATE_DIRECTORY and XDG_STATE_HOME, before `prepare_for_user`


class NoDirectory(OSError):
    """There is no state directory that can be written; the text says which were tried and what helps."""


def directory() -> str:
    """The state directory, made if it is not there, with mode 700. Raises OSError that says why there is none."""
    tried = []
    for path in _candidates():
        try:
            os.makedirs(path, 0o700, exist_ok=True)
            if os.access(path, os.W_OK | os.X_OK):
                return path
            tried.append(f"{path} (not writable by {user_name(os.geteuid())})")
        except OSError as error:
            tried.append(f"{path} ({error.strerror})")
    raise NoDirectory(
        f"no state directory: tried {', '.join(tried) or 'none'}; set STATE_DIRECTORY (systemd: StateDirectory=)"
    )


def database(name: str) -> tuple[str, str]:
    """Path of our database `name`, such as "sessions", and a warning about it, or "".

    One that an earlier version left in the current folder is used on, as what is in it would be lost otherwise.
    """
    file = f"webpy-{name}.sqlite3"
    old = os.path.abspath(file)
    path = os.path.join(directory(), file)
    if path == old or not os.path.lexists(old):
        return path, ""
    if os.path.lexists(path):
        return path, f"{old} is not used: {path} is there too"
    move = f"move it to {os.path.dirname(path)} while the server is stopped, with what begins with its name"
    return old, f"{old} is used, where earlier versions kept it: {move}"


def register_private(path: str | os.PathLike[str], what: str) -> None:
    """Remember that the file or directory `path` is ours; what: its name for a message."""
    _private[os.path.realpath(os.fsencode(path))] = what


def is_private(path: bytes) -> bool:
    """Whether no client may have the file: `path` is its name, or a real path. By its name alone `webpy.toml` and our
    databases are known, whoever made them; by the whole path what this process has noted, and all in it."""
    if _NAMES.fullmatch(path.rpartition(b"/")[2]):
        return True
    if not _private or path[:1] != b"/":
        return False
    for end in _BESIDE:
        if path.endswith(end) and path[: -len(end)] in _private:
            return True
    return path in _private or any(path.startswith(known + b"/") for known in _private)


def unwritable_paths() -> Iterator[str]:
    """What of all that is noted this process cannot write, a line each, with why."""
    who = user_name(os.geteuid())
    for path, what in _private.items():
        shown = os.fsdecode(path)
        if os.path.lexists(path) and not os.access(path, os.W_OK):
            yield f"{what} {shown!r}: user {who} cannot write it"
        elif not os.path.isdir(path) and not os.access(os.path.dirname(path), os.W_OK | os.X_OK):
            yield f"{what} {shown!r}: user {who} cannot write in its folder"


def set_pidfile(pidfile: str | None) -> None:
    """Where the pidfile is, from now on."""
    global _pidfile_folder
    _pidfile_folder = None if pidfile is None else os.path.dirname(os.path.abspath(pidfile))


def prepare_for_user(uid: int, gid: int | None, folder: str | None = None) -> None:
    """Make a state directory that this user can write, and have the children find it in STATE_DIRECTORY (in a master of
    root's whose workers become somebody else); folder: the one that they run in, if it is not the current one.

    It is a folder of the user's in $STATE_DIRECTORY, in $XDG_STATE_HOME/webpy, or beside the pidfile; nothing is made
    for a user with a home, who can do so; the last resort is /var/lib/webpy. Raises OSError where that cannot be done.
    """
    global _roots_own
    if _roots_own is None:
        _roots_own = os.environ.get("STATE_DIRECTORY", ""), os.environ.get("XDG_STATE_HOME", "")
    given, xdg = _roots_own
    os.environ.pop("STATE_DIRECTORY", None)  # of before a reload, which may name another user
    if given:
        os.environ["STATE_DIRECTORY"] = given
    user, base = user_name(uid), _given()
    if base is None and os.path.isabs(xdg):
        base, user = os.path.join(xdg, "webpy"), f"{user}-{_name_of(folder or os.getcwd())}"
    elif base is None and _home(uid) is not None:
        return
    elif base is None and _pidfile_folder is not None:
        base = os.path.join(_pidfile_folder, "webpy-state")
    elif base is None:
        base, user = "/var/lib/webpy", f"{user}-{_name_of(folder or os.getcwd())}"
    os.makedirs(base, 0o755, exist_ok=True)
    if os.stat(base).st_uid == uid:
        return
    path = os.path.join(base, user)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchown(fd, uid, -1 if gid is None else gid)
    finally:
        os.close(fd)
    os.environ["STATE_DIRECTORY"] = path


def _given() -> str | None:
    """The directory that systemd made; of several the first (systemd.exec(5))."""
    return os.environ.get("STATE_DIRECTORY", "").partition(":")[0] or None


def _candidates() -> Iterator[str]:
    given = _given()
    if given is not None:
        yield os.path.abspath(given)
        return
    name = _name_of(os.getcwd())
    xdg = os.environ.get("XDG_STATE_HOME", "")
    home = _home(os.geteuid())
    if os.path.isabs(xdg):  # "All paths … must be absolute": XDG Base Directory Specification
        yield os.path.join(xdg, "webpy", name)
    elif home is not None:
        yield os.path.join(home, ".local", "state", "webpy", name)
    if _pidfile_folder is not None:
        yield os.path.join(_pidfile_folder, "webpy-state")


def _name_of(folder: str) -> str:
    """What tells the applications of one user apart."""
    folder = os.path.realpath(folder)
    name = f"{os.path.basename(folder) or 'root'}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]}"
    return re.sub(r"[^\w.-]", "_", name)  # a store's URL ends at "?" and "#"


def _home(uid: int) -> str | None:
    """The user's home, if it is there and the user's own; $HOME may be somebody else's, after sudo or --user."""
    paths = [os.environ.get("HOME", "")]
    with contextlib.suppress(KeyError):
        paths.append(pwd.getpwuid(uid).pw_dir)
    for path in paths:
        with contextlib.suppress(OSError):
            if os.path.isabs(path) and os.stat(path).st_uid == uid:
                return path
    return None


def user_name(uid: int) -> str:
    """Return the user's name, or the number where the system knows no name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
