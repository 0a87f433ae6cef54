"""Connections: where they come from, how bytes get in and out of them, and how many there may be.

`connection` is what the worker keeps of one, and says what it asks of the protocol that the client speaks and of the
exchange under way. `transport` is its socket, plain or TLS, `handshake` the protocol before the first one. `accepting`
takes connections from each `listener` and from other workers (`handover`), as `sharing` and `room` allow it; `sources`
are the descriptors where they wait. `table` has all connections, `reactor` everything that a worker waits for.
"""

from __future__ import annotations

__all__: list[str] = []
