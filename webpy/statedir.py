"""The state directory, where webpy keeps its own databases, and the list of files that must never be served.

The state directory is the first of these that can be written: $STATE_DIRECTORY (systemd's StateDirectory=), which is
then the only candidate; $XDG_STATE_HOME/webpy/NAME, or ~/.local/state/webpy/NAME, where NAME is made from the current
folder, so that two applications of one user do not share it; `webpy-state` beside the pidfile. It is never the current
folder, as that may be served.

Private files are databases in the state directory, stores in other places, and the settings file: `is_private` knows
them all, so that no handler sends one. Knows no store and no handler: `webpy.store` asks for paths, `webpy.file` and
other hosts ask `is_private`.
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
_BESIDE = (b"-wal", b"-shm", b"-journal", b".lock")  # files that SQLite and the locks of sessions add

_private: dict[bytes, str] = {}  # absolute real path of a file or directory to its name for messages
_pidfile_folder: str | None = None
_roots_own: tuple[str, str] | None = None  # STATE_DIRECTORY and XDG_STATE_HOME before `prepare_for_user`


class NoDirectory(OSError):
    """No state directory can be written; the text says which were tried and what helps."""


def directory() -> str:
    """Return the state directory; it is made with mode 700 if it is not there. Raises OSError with the reasons."""
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
    """Return the path of webpy's database `name`, such as "sessions", and a warning about it, or "".

    A database that an earlier version left in the current folder is still used, as its content would be lost otherwise.
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
    """Remember that the file or directory `path` must not be served; `what` is its name for messages."""
    _private[os.path.realpath(os.fsencode(path))] = what


def is_private(path: bytes) -> bool:
    """Return True if no client may have the file. `path` is its name, or its absolute real path.

    `webpy.toml` and webpy's databases are known by their names alone; what was registered, and everything inside it, by
    the whole path.
    """
    if _NAMES.fullmatch(path.rpartition(b"/")[2]):
        return True
    if not _private or path[:1] != b"/":
        return False
    for end in _BESIDE:
        if path.endswith(end) and path[: -len(end)] in _private:
            return True
    return path in _private or any(path.startswith(known + b"/") for known in _private)


def unwritable_paths() -> Iterator[str]:
    """Yield a line for each registered file that this process cannot write, with the reason."""
    who = user_name(os.geteuid())
    for path, what in _private.items():
        shown = os.fsdecode(path)
        if os.path.lexists(path) and not os.access(path, os.W_OK):
            yield f"{what} {shown!r}: user {who} cannot write it"
        elif not os.path.isdir(path) and not os.access(os.path.dirname(path), os.W_OK | os.X_OK):
            yield f"{what} {shown!r}: user {who} cannot write in its folder"


def set_pidfile(pidfile: str | None) -> None:
    """Set the pidfile's path, which is used to find the state directory from now on."""
    global _pidfile_folder
    _pidfile_folder = None if pidfile is None else os.path.dirname(os.path.abspath(pidfile))


def prepare_for_user(uid: int, gid: int | None, folder: str | None = None) -> None:
    """Make a state directory that user `uid` can write, and pass it to the children in STATE_DIRECTORY.

    Called in a master that runs as root while its workers run as another user. `folder` is the one that they run in, if
    it is not the current one. The directory is a folder for the user in $STATE_DIRECTORY, in $XDG_STATE_HOME/webpy, or
    beside the pidfile; the last resort is /var/lib/webpy. Nothing is made for a user with a home, who can make one.
    Raises OSError when it cannot be made.
    """
    global _roots_own
    if _roots_own is None:
        _roots_own = os.environ.get("STATE_DIRECTORY", ""), os.environ.get("XDG_STATE_HOME", "")
    given, xdg = _roots_own
    os.environ.pop("STATE_DIRECTORY", None)  # set before a reload, which may name another user
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
    """Return the directory that systemd made, the first of several (systemd.exec(5)), or None."""
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
    """Return a name for the application in `folder`, unlike those of other folders."""
    folder = os.path.realpath(folder)
    name = f"{os.path.basename(folder) or 'root'}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]}"
    return re.sub(r"[^\w.-]", "_", name)  # a store's URL ends at "?" and "#"


def _home(uid: int) -> str | None:
    """Return the user's home, if it exists and belongs to the user: after sudo or --user, $HOME is another user's."""
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
