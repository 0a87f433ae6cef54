"""The scoreboard: shared memory in which every process of the tree says how it is doing; it outlives its writers.

`scoreboard` owns the mapping, the totals and the doorbell, `row` one process's part, `layout` the cells, `lane` the
rings of log records, `latency` the histograms, `work` what a worker is doing, `untrusted` the checks of what workers
wrote. Knows nothing of processes.
"""

from __future__ import annotations

__all__: list[str] = []
