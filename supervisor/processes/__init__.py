"""Single processes: how one is forked, what it is given, what it says to the master, its states, and how it ends.

Knows nothing of slots and generations (the room `workers`).
"""

from __future__ import annotations

__all__: list[str] = []
