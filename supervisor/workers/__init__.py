"""All the workers: their slots and generations, what replaces them, and what is done about those that hang or die.

Runs in the master, but for what it has forked.
"""

from __future__ import annotations

__all__: list[str] = []
