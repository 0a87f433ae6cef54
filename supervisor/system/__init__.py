"""What the master has from the operating system: listening sockets, pidfile, user and group, limits, service manager.

Knows nothing of generations and workers; most of it runs in the master only.
"""

from __future__ import annotations

__all__: list[str] = []
