"""The error that says why a TARGET cannot be served, made from what the user's code raised.

Raised by the modules of this package; the command line shows it, the zygote reports it to the master.
"""

from __future__ import annotations

import importlib
import os
from types import TracebackType

from ..statedir import user_name

__all__ = ["TargetError", "failure"]


class TargetError(Exception):
    """TARGET cannot be served; `str()` says why.

    If the user's code failed, the text ends with its traceback, without webpy's own frames; it is also in `traceback`.
    """

    def __init__(self, message: str, traceback: str = "") -> None:
        super().__init__(f"{message}\n{traceback}".rstrip())
        self.message = message
        self.traceback = traceback


def failure(spec: str, error: BaseException, when: str = "while it was imported") -> BaseException:
    """Return the TargetError for what the user's code raised; KeyboardInterrupt is returned as it is."""
    if isinstance(error, KeyboardInterrupt):
        return error
    import traceback

    message = f"{spec}: {type(error).__name__} {when}"
    if isinstance(error, SystemExit):
        message = f"{spec}: called sys.exit({error.code!r}) {when}"
    folder = os.path.dirname(__file__)
    if isinstance(error, ImportError) and not os.access(folder, os.R_OK | os.X_OK):  # with `--user`
        message += f": user {user_name(os.geteuid())} cannot read {folder!r}, where webpy is installed"
    text = traceback.format_exception(type(error), error, _users_frames(error.__traceback__))
    return TargetError(message, "".join(text))


def _users_frames(trace: TracebackType | None) -> TracebackType | None:
    """Return the traceback from the first frame on that is neither webpy's nor the import system's."""
    folder = os.path.dirname(__file__)
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if os.path.dirname(file) != folder and file != importlib.__file__ and not file.startswith("<frozen importlib"):
            break
        trace = trace.tb_next
    return trace
