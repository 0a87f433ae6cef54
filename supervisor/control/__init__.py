"""The control interface: a unix socket on which a master takes commands and reports its status.

`server`, `conversation`, `commands` and `status` run in the master, `client` in other processes, `socketfile` in both.
"""

from __future__ import annotations

__all__: list[str] = []
