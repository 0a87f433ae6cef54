"""Threads: which one leads, and which one runs a handler.

`lead` is the lead and its watcher; `pool` has the other threads and the places for handlers, `policy` says whom a
thread interrupts; `dispatcher` gives them exchanges, by the `pace` of their handlers; `chores` is what a leader puts
aside because it is the application's.
"""

from __future__ import annotations

__all__: list[str] = []
