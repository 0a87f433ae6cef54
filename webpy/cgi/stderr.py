"""Owns `StderrLog`: it makes lines of the error log of what a script writes to its standard error, and limits them.

Called by `output`, which reads the pipe. Knows nothing of pipes.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["StderrLog"]

_MAX_LINE_BYTES = 1000  # the rest of a line is only counted
_MAX_LINES = 100  # further lines of a run are only counted


class StderrLog:
    """Passes each line of what it is fed to `log`, with control characters escaped."""

    __slots__ = ("_log", "_part", "_shown", "_surplus", "_surplus_lines")

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._part = b""
        self._shown = 0
        self._surplus = 0  # bytes of the current line beyond the limit
        self._surplus_lines = 0

    def feed(self, data: bytes) -> None:
        """Take bytes of standard error."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._keep(line)
            self._end_line()
        self._keep(rest)

    def close(self) -> None:
        """Log the last line, and how many lines were left out. Later calls do nothing."""
        if self._part:
            self._end_line()
        if self._surplus_lines:
            self._log(f"... and {self._surplus_lines} more lines")
            self._surplus_lines = 0

    def _keep(self, data: bytes) -> None:
        room = _MAX_LINE_BYTES - len(self._part)
        self._part += data[:room]
        self._surplus += max(0, len(data) - room)

    def _end_line(self) -> None:
        line, surplus = self._part, self._surplus
        self._part, self._surplus = b"", 0
        if not line.strip():
            return
        self._shown += 1
        if self._shown > _MAX_LINES:
            self._surplus_lines += 1
            return
        text = line.rstrip().decode("utf-8", "backslashreplace")
        shown = "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
        self._log(f"{shown}... ({surplus} more bytes)" if surplus else shown)
