"""The upgrade in place: a new program takes over the master's process, with its sockets, workers and log records.

`upgrade` runs the steps, `preflight` tries the new program in a child first, `state` saves and restores what the master
holds, `handoff` carries that and the open descriptors through the exec.
"""

from __future__ import annotations

__all__: list[str] = []
