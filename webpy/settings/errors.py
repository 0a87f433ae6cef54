"""The error that lists all mistakes of a user in the settings. Raised by `resolve`, shown by the command line."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["SettingsError"]


class SettingsError(ValueError):
    """One or more mistakes in the settings; `problems` has one sentence each, `str()` all of them, a line each."""

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))
