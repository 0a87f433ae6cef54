"""What a script writes to its standard error, as lines of the error log: whole, escaped, and within bounds.

Owns the bounds. Knows nothing of pipes. Called by whoever reads a script's pipe.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Complaints"]

_LINE_BYTES = 1000  # of a line that are shown
_LINES = 100  # of one run


class Complaints:
    """`feed` takes the bytes as they come, `log` gets a text of one line each."""

    __slots__ = ("_log", "_part", "_shown", "_surplus", "_surplus_lines")

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._part = b""
        self._shown = 0
        self._surplus = 0  # bytes of the line that is coming, beyond what is shown of it
        self._surplus_lines = 0

    def feed(self, data: bytes) -> None:
        """Take some more."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._keep(line)
            self._end_line()
        self._keep(rest)

    def close(self) -> None:
        """There is no more."""
        if self._part:
            self._end_line()
        if self._surplus_lines:
            self._log(f"... and {self._surplus_lines} lines more")
            self._surplus_lines = 0

    def _keep(self, data: bytes) -> None:
        room = _LINE_BYTES - len(self._part)
        self._part += data[:room]
        self._surplus += max(0, len(data) - room)

    def _end_line(self) -> None:
        line, surplus = self._part, self._surplus
        self._part, self._surplus = b"", 0
        if not line.strip():
            return
        self._shown += 1
        if self._shown > _LINES:
            self._surplus_lines += 1
            return
        text = line.rstrip().decode("utf-8", "backslashreplace")
        shown = "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
        self._log(f"{shown}... ({surplus} bytes more)" if surplus else shown)
