"""What a master hands to the program that replaces it in the same process: one document, and open descriptors.

Owns the document's way through the exec: JSON in a memory file whose descriptor the environment names. Descriptors
keep their numbers; those that are to go along are collected in a `Handoff` by the parts that keep them. Knows nothing
of what the document says but for its head. Written by `upgrade` in the old program, read by the new one as early as
may be, since what is inheritable would go on to whatever that program starts.
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

__all__ = ["HELD_SIGNALS", "STATE_VARIABLE", "Handoff", "kept_descriptor", "predecessor", "terms"]

STATE_VARIABLE = "SUPERVISOR_STATE"

HELD_SIGNALS = (*MASTER_SIGNALS, signal.SIGCHLD)
"""They wait while no program is there to take them: blocked from before the exec until the new one listens."""

_VERSION = 1


def terms() -> str:
    """Give what two programs must agree on for one to take over from the other: the document, the scoreboard and the
    messages that zygotes and workers of the old one speak."""
    words = {kind.__name__: {member.name: int(member) for member in kind} for kind in (Cell, MasterCell, Message)}
    agreed = json.dumps({"version": _VERSION, "scoreboard": layout(), **words}, sort_keys=True)
    return hashlib.blake2b(agreed.encode(), digest_size=8).hexdigest()


class Handoff(DescriptorHandoff):
    """The descriptors that go along, and the document."""

    def __init__(self) -> None:
        super().__init__()
        self._document = -1

    def open(self, document: dict[str, Any]) -> str:
        """Write the document and make everything inheritable; give what STATE_VARIABLE is to say. OSError when that
        cannot be done; then `close`, as after an exec that failed."""
        head = {"version": _VERSION, "terms": terms(), "pid": os.getpid(), "descriptors": self.descriptors}
        text = json.dumps({**document, **head}).encode()
        self._document = os.memfd_create("supervisor-state", os.MFD_CLOEXEC)
        with open(self._document, "wb", closefd=False) as file:
            file.write(text)
        self.open_to_exec()
        os.set_inheritable(self._document, True)
        return f"{self._document}:{os.getpid()}"

    def close(self) -> None:
        """Undo `open`, or as much of it as was done."""
        self.close_on_exec()
        if self._document >= 0:
            os.close(self._document)
            self._document = -1


_received: dict[str, Any] | None = None


def predecessor(*, to_succeed: bool = False) -> dict[str, Any] | None:
    """Give the document of the program that this process ran before, None if it was none of ours.

    The first call takes it out of the environment, and its descriptors are no longer inherited; `to_succeed` is for
    who takes its place, which one can only once.
    """
    global _received
    document = _received = _received or _taken()
    if to_succeed:
        _received = None
    return document


def _taken() -> dict[str, Any] | None:
    told = os.environ.pop(STATE_VARIABLE, "")
    number, _, pid = told.partition(":")
    if not number.isdecimal() or pid != str(os.getpid()):  # left over from whoever started us
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


def kept_descriptor(name: str) -> int | None:
    """Give the descriptor that the program before gave its `Supervisor` as `keeps[name]`; None if there is none."""
    document = predecessor()
    number = document["keeps"].get(name) if document is not None else None
    return None if number is None else int(number)
