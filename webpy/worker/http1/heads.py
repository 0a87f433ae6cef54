"""Owns `HeadCache`: the plans of HTTP/1 heads by their bytes, so that a head that comes again is not parsed again.

Clients repeat themselves: the same head comes again and again on a keep-alive connection, and if only its path changes,
the same fields. So both are kept. A plan is never changed once it is made, so threads share it. The leader's.
"""

from __future__ import annotations

from ...protocol import Fields, Limits, parse_fields, parse_head
from ..exchanges.plan import Plan, Planner
from .cache import Cache

__all__ = ["HeadCache"]

_MAX_ENTRIES = 512  # plans, and field blocks, in each generation
_MAX_BYTES = 2048  # heads and field blocks longer than this are parsed every time


class HeadCache:
    """Plans of HTTP/1 heads.

    recent: maps the bytes of a whole head to its plan, if the request has no body: it can be run at once. The loop
    looks there by itself.
    """

    __slots__ = ("_closing", "_fields", "_limits", "_planner", "_plans", "_plans_with_body", "recent")

    def __init__(self, planner: Planner, limits: Limits) -> None:
        self._plans: Cache[Plan] = Cache(_MAX_ENTRIES, _MAX_BYTES)
        self._plans_with_body: Cache[Plan] = Cache(_MAX_ENTRIES, _MAX_BYTES)
        self._fields: Cache[Fields] = Cache(_MAX_ENTRIES, _MAX_BYTES)
        self.recent = self._plans.recent
        self._planner = planner
        self._limits = limits
        self._closing = False

    def close(self) -> None:
        """From now on no answer is plain, as answers may have to end their connections."""
        self._closing = True
        self._plans.clear()
        self._plans_with_body.clear()

    def plan(self, block: bytes) -> Plan:
        """Return the plan of a whole head. Raises ProtocolError if the head is malformed."""
        plan = self._plans.get(block) or self._plans_with_body.get(block)
        if plan is None:
            head = parse_head(block, self._limits, self._parse_fields)
            plain = head.keep_alive and head.minor == 1 and head.method != "HEAD" and not self._closing
            plan = self._planner.plan(head, plain)
            (self._plans_with_body if plan.has_body else self._plans).offer(block, plan)
        return plan

    def _parse_fields(self, block: bytes, limits: Limits) -> Fields:
        fields = self._fields.get(block)
        if fields is None:
            fields = parse_fields(block, limits)
            self._fields.offer(block, fields)
        return fields
