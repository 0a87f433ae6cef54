"""The error log as a worker writes it.

`errorlog` writes from any thread without running a logger while the lead is held; `faults` and `complaints` say the
same thing once a minute at most; `logs` leads Python's `logging` there.
"""

from __future__ import annotations

__all__: list[str] = []
