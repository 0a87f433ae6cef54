"""Owns the coarse limit of each client's rate (`--max-request-rate`), which is kept before any handler runs.

It holds for all workers together: the leaky buckets are in shared memory, which is never locked. Each client has two of
them, which a keyed hash picks among 131,072, so that nobody can aim at those of another, and memory is bounded; it is
refused only if both are full. So a client shares the fate of others only if others have filled both of its buckets:
where 1,000 clients have filled theirs, one in some 4,000 of the rest is hit. Of two workers that pour into a bucket
within the same 0.3 us, only one is counted: 1 to 5 % of the requests of a client that keeps two workers busy, with
50,000 requests a second each (2 cores that others used too), and hardly any at the rates that a limit is for.

Knows no protocol's bytes. The leader's.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from ..framework.clients import client_network
from ..framework.handler import HTTPHandler
from ..framework.trust import UNIX
from ..supervisor import PAGE, SHARED_KEY_BYTES, Cell, Scoreboard
from .connections.connection import Connection, Relay
from .threads.pace import Work

if TYPE_CHECKING:
    from ..framework.request import Request
    from ..framework.response import Result
    from ..supervisor import Row
    from .exchanges.forwarding import Forwarding
    from .exchanges.plan import Plan
    from .log.complaints import Complaints
    from .schemes import Schemes

__all__ = ["ClientBuckets", "RefusingHandler", "Shield"]

_MAX_KNOWN = 4096  # clients whose buckets are kept
_SECOND_NS = 1_000_000_000

_now_ns = time.monotonic_ns


class ClientBuckets:
    """The buckets of clients: each request pours 1/rate of a second, a bucket holds a second, and leaks by itself.

    A bucket is kept as the time.monotonic_ns() at which it will be empty.
    """

    __slots__ = ("_amount_ns", "_cells", "_key", "_known", "rate")

    def __init__(self, scoreboard: Scoreboard, rate: int) -> None:
        """rate: requests a second, and how many may come at once."""
        self.rate = rate
        self._amount_ns = _SECOND_NS // rate
        self._cells = scoreboard.shared[PAGE:].cast("Q")
        self._key = bytes(scoreboard.shared[:SHARED_KEY_BYTES])
        self._known: dict[str, tuple[int, int]] = {}

    def pour(self, host: str) -> bool:
        """Count a request of a client; return False if it is over the limit, and then it does not count."""
        cells = self._cells
        first, second = self._known.get(host) or self._find(host)
        one, other = cells[first], cells[second]
        now_ns = _now_ns()
        # Both buckets hold at least what this client has poured, so the lower level is nearer to that.
        end_ns = one if one < other else other
        if end_ns < now_ns:
            end_ns = now_ns
        end_ns += self._amount_ns
        if end_ns > now_ns + _SECOND_NS:
            if end_ns > now_ns + 2 * _SECOND_NS:  # no worker of ours wrote that
                cells[first] = cells[second] = now_ns + _SECOND_NS
            return False
        if cells[first] < end_ns:  # read again: another worker may have gone on while this one did not run
            cells[first] = end_ns
        if cells[second] < end_ns:
            cells[second] = end_ns
        return True

    def _find(self, host: str) -> tuple[int, int]:
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        network = client_network(host).encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(network, digest_size=16, key=self._key).digest()
        first, second = (int.from_bytes(half) % len(self._cells) for half in (digest[:8], digest[8:]))
        self._known[host] = first, second
        return first, second


class RefusingHandler(HTTPHandler):
    """Answers requests of clients that are over the limit, but for those with a body, which are rejected."""

    def respond(self) -> Result:
        self.response.headers.set("Retry-After", "1")
        return 429, "too many requests; try again in a second\n"


class Shield:
    """Begins requests as `Schemes` does, but with the plan of a refusal for clients over the limit.

    Connections of trusted proxies that name no client, and of unix sockets, are not counted: they carry many clients.
    """

    __slots__ = ("_buckets", "_cells", "_complaints", "_forwarding", "_schemes", "_work")

    def __init__(
        self, buckets: ClientBuckets, schemes: Schemes, forwarding: Forwarding, row: Row, complaints: Complaints
    ) -> None:
        self._buckets = buckets
        self._schemes = schemes
        self._forwarding = forwarding
        self._complaints = complaints
        self._work = Work()
        self._cells = row.cells

    def begin(self, conn: Connection, plan: Plan) -> tuple[Plan, Request]:
        """Return a request, and its plan: of its handler, or of a refusal."""
        plan, request = self._schemes.begin(conn, plan)
        host = request._peer.origin.client_address[0]
        if (
            host == UNIX
            or self._forwarding.trusts_named(host)
            or (conn.relay == Relay.UNNAMED and request._peer is conn)
            or self._buckets.pour(host)
        ):
            return plan, request
        self._cells[Cell.THROTTLED] += 1
        rate = self._buckets.rate
        self._complaints.say(
            "request rate", f"{host} asks more than {rate} times a second (max-request-rate); the rest gets 429"
        )
        return plan.refused or self._refuse(plan), request

    def _refuse(self, plan: Plan) -> Plan:
        made = plan.refused = plan.copy()
        made.handler = RefusingHandler
        made.call = RefusingHandler.respond  # type: ignore[assignment]
        made.answers = True
        made.work = self._work
        return made
