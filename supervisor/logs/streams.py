"""The standard streams as whoever started the master left them: made good, so that nothing else takes their numbers.

Knows nothing of logs. Called once by the master, before it opens anything.
"""

from __future__ import annotations

import os
import sys

__all__ = ["have_standard_streams"]


def have_standard_streams() -> None:
    """Open what a careless parent closed, lest a socket become descriptor 1 and be logged to; flush the others."""
    for stream in (0, 1, 2):
        try:
            os.fstat(stream)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for file in (sys.stdout, sys.stderr):
        if file is not None:
            file.flush()
