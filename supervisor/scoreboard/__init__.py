"""The scoreboard: shared memory in which every process of the tree says how it is doing; it outlives its writers.

`scoreboard` holds the layout (slots, totals, the doorbell), `lane` the rings of log records, `latency` the histograms,
`running` the work under way, `untrusted` the bounds of what is believed. Knows nothing of processes.
"""

from __future__ import annotations

__all__: list[str] = []
