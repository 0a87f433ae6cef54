"""The logs: the access log's records from the rings to its file, and the error log of master and children.

Knows nothing of what a record says.
"""

from __future__ import annotations

__all__: list[str] = []
