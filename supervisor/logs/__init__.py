"""The logs: the access log, from the workers' rings to its file, and the error log of the master and its children.

In the master: `drainer` decides when the rings are read, `accesslog` writes their records, `dropreport` reports those
that were dropped, `errorlog` writes the error log, `destination` is an open log file or stream, `safepath` opens it. In
children: `childlog` sends records to the error log. In both: `errorformat` and `stdio`. Knows nothing of what a record
of the access log says.
"""

from __future__ import annotations

__all__: list[str] = []
