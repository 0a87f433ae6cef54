"""Names of servers that are not ASCII, which only a scanner asks for: they are not to fill the error log.

Python's ssl decodes the name before it calls `sni_callback`. If it cannot, the handshake fails, and Python prints a
traceback to standard error for each. Called in the zygote, once the application is loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

__all__ = ["ignore_bad_names"]


class _Hook:
    """A `sys.unraisablehook` that passes on all but those errors."""

    def __init__(self, following: Callable[[Any], object]) -> None:
        self._following = following

    def __call__(self, unraisable: Any) -> None:
        error = unraisable.exc_value
        if isinstance(error, UnicodeDecodeError) and error.object == unraisable.object:
            return
        self._following(unraisable)


def ignore_bad_names() -> None:
    """Have Python print nothing about them in this process."""
    if not isinstance(sys.unraisablehook, _Hook):
        sys.unraisablehook = _Hook(sys.unraisablehook)
