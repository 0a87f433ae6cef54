"""Owns how MODULE:APP becomes an application, for servers without a command line of their own."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["load"]


def load(target: str) -> Any:
    """Import the module and return its attribute."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
