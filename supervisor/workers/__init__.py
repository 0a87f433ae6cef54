"""All the workers: their slots and generations, how they are replaced, and what is done if they hang or die.

Runs in the master.
"""

from __future__ import annotations

__all__: list[str] = []
