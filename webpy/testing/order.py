"""Owns `Order`: what a test wants served, and how. Knows nothing of processes: both kinds of clients are given one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..settings import Resolved, find_config, resolve
from ..target.target import Target, load_target, target_of

__all__ = ["Order"]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be served and how: see `webpy.testing.serve`. config: the path of a settings file."""

    target: Any
    settings: Mapping[str, Any]
    kind: str | None = None
    config: str | None = None
    error_routes: Mapping[Any, Any] | None = None

    @property
    def has_name(self) -> bool:
        """Whether another program can load the target: it is not an object of this process."""
        return isinstance(self.target, (str, Path)) and self.error_routes is None

    def resolve(self) -> Resolved:
        """Return the settings; neither the environment nor a file that is not named counts. Raises SettingsError."""
        file = None if self.config is None else find_config(self.config, {}, Path.cwd())
        return resolve(self.settings, {}, file)

    def text(self) -> str:
        """Return the order for another program, which `main` reads."""
        return json.dumps(asdict(replace(self, target=str(self.target))), default=str)

    @property
    def name(self) -> str:
        """How lists of servers name it."""
        return f"{self.target!s:.80}"

    def load(self) -> Target:
        """Return the target. Raises TargetError."""
        named = isinstance(self.target, (str, Path))
        found = load_target(str(self.target), self.kind) if named else target_of(self.target, self.kind)
        return found if self.error_routes is None else found.with_error_routes(self.error_routes)
