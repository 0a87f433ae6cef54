"""The descriptors that stay open while another program takes over the master's process (an exec).

Owns the list of them. A part of the master whose sockets or files the next program needs adds them here as it gives its
part of the upgrade state; they keep their numbers, which stand in that state. Knows nothing of the state itself
(`upgrade.handoff`). Used in the master only.
"""

from __future__ import annotations

import contextlib
import os
import socket

__all__ = ["DescriptorHandoff"]


class DescriptorHandoff:
    """`descriptors` are the numbers added so far."""

    def __init__(self) -> None:
        self.descriptors: list[int] = []

    def keep(self, source: socket.socket | int) -> int:
        """Add the descriptor of `source`; return its number, to be written into the upgrade state. -1 stands for no
        descriptor: it is returned and not added."""
        number = source if isinstance(source, int) else source.fileno()
        if number >= 0:
            self.descriptors.append(number)
        return number

    def open_to_exec(self) -> None:
        """Have all of them stay open through an exec. Raises OSError if one is not open."""
        for number in self.descriptors:
            os.set_inheritable(number, True)

    def close_on_exec(self) -> None:
        """Undo `open_to_exec`, or as much of it as was done."""
        for number in self.descriptors:
            with contextlib.suppress(OSError):
                os.set_inheritable(number, False)
