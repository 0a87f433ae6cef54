"""Exchanges: one request and its answer each, of whatever protocol.

`plan` is what follows from a request's head. `exchange` runs its handler, `failures` makes answers of what that raises,
`delivery` sends the `output`. `intake` is a body on its way in, which `streams` lets handlers read meanwhile.
`recorder` logs and counts, with the stamps of `clock`; `activities` shows requests on the scoreboard; `rate` finds
clients that are too slow.
"""

from __future__ import annotations

__all__: list[str] = []
