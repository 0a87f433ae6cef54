"""The control interface: a unix socket by which a master is commanded, and asked what it knows.

`server`, `conversation`, `commands` and `status` run in the master; `client` anywhere else; `socketfile` in both.
"""

from __future__ import annotations

__all__: list[str] = []
