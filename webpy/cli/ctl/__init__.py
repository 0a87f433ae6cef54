"""`webpy ctl`: `commands` are its commands, `top` and `topview` the live view, `figures` formats what they print."""

from __future__ import annotations

from .commands import ctl

__all__ = ["ctl"]
