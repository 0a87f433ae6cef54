"""The hand-off: how a master passes its state and its open descriptors to the program that replaces it by an exec.

Owns the way of the state through the exec: a JSON document in a memory file, whose descriptor an environment variable
names. Open descriptors keep their numbers; the parts that own them collect them in a `Handoff`. Knows nothing of the
document but its head. `upgrade` writes it in the old program; the new one reads it as early as possible, because its
children would inherit the descriptors until then.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
from typing import Any

from ..descriptors import DescriptorHandoff
from ..processes.forking import MASTER_SIGNALS
from ..processes.messages import Message
from ..scoreboard.layout import Cell, MasterCell, layout

__all__ = [
    "BLOCKED_SIGNALS",
    "STATE_VARIABLE",
    "Handoff",
    "compatibility",
    "inherited_descriptor",
    "inherited_state",
    "take_inherited_state",
]

STATE_VARIABLE = "SUPERVISOR_STATE"

BLOCKED_SIGNALS = (*MASTER_SIGNALS, signal.SIGCHLD)
"""Signals that are blocked from before the exec until the new program handles them, so that none is lost."""

_VERSION = 1


def compatibility() -> str:
    """Return a hash of everything that two versions must share for one to take over from the other.

    That is the document's version, the layout of the scoreboard, and the messages that zygotes and workers of the old
    version use.
    """
    words = {kind.__name__: {member.name: int(member) for member in kind} for kind in (Cell, MasterCell, Message)}
    agreed = json.dumps({"version": _VERSION, "scoreboard": layout(), **words}, sort_keys=True)
    return hashlib.blake2b(agreed.encode(), digest_size=8).hexdigest()


class Handoff(DescriptorHandoff):
    """The descriptors that go through the exec, and the document. Used once, in the old program."""

    def __init__(self) -> None:
        super().__init__()
        self._document = -1

    def open(self, document: dict[str, Any]) -> str:
        """Write the document and make the descriptors inheritable; return the value for STATE_VARIABLE.

        Raises OSError when that cannot be done. Call `close` then, and after an exec that failed.
        """
        head = {"version": _VERSION, "terms": compatibility(), "pid": os.getpid(), "descriptors": self.descriptors}
        text = json.dumps({**document, **head}).encode()
        self._document = os.memfd_create("supervisor-state", os.MFD_CLOEXEC)
        with open(self._document, "wb", closefd=False) as file:
            file.write(text)
        self.open_to_exec()
        os.set_inheritable(self._document, True)
        return f"{self._document}:{os.getpid()}"

    def close(self) -> None:
        """Undo `open`, also after it failed halfway."""
        self.close_on_exec()
        if self._document >= 0:
            os.close(self._document)
            self._document = -1


_received: dict[str, Any] | None = None


def inherited_state() -> dict[str, Any] | None:
    """Return the document of the program that this process ran before, None if there was none.

    The first call removes it from the environment and makes its descriptors not inheritable again.
    """
    global _received
    _received = _received or _receive()
    return _received


def take_inherited_state() -> dict[str, Any] | None:
    """Return what `inherited_state` returns, once: later calls of both return None (called by the supervisor)."""
    global _received
    document = inherited_state()
    _received = None
    return document


def _receive() -> dict[str, Any] | None:
    number, _, pid = os.environ.pop(STATE_VARIABLE, "").partition(":")
    if not number.isdecimal() or pid != str(os.getpid()):  # set by a parent process, not by this one
        return None
    try:
        with open(int(number), "rb") as file:
            file.seek(0)
            document: dict[str, Any] = json.loads(file.read())
    except (OSError, ValueError):
        return None
    for descriptor in document["descriptors"]:
        os.set_inheritable(descriptor, False)
    return document


def inherited_descriptor(name: str) -> int | None:
    """Return the descriptor that the old program passed to its `Supervisor` as `keeps[name]`, None if there is none."""
    document = inherited_state()
    number = document["keeps"].get(name) if document is not None else None
    return None if number is None else int(number)
