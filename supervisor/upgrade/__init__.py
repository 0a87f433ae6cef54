"""The upgrade in place: another program takes over the master's process, with its sockets, workers and records.
"""

from __future__ import annotations

__all__: list[str] = []
