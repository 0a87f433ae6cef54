"""Owns `HeadCache`: the plans of HTTP/1 heads by their bytes, so that a head that comes again is not parsed again.

Clients repeat themselves: the same head comes again and again on a keep-alive connection, and if its path or a cookie
changes, the same field lines. So both are kept. A plan is never changed once it is made, so threads share it. The
leader's.
"""

from __future__ import annotations

from ...protocol import Fields, Limits, NamedLine, parse_field_line, parse_fields, parse_head
from ..exchanges.plan import Plan, Planner
from .cache import Cache

__all__ = ["HeadCache"]

_MAX_PLANS = 512  # in each generation
_MAX_HEAD_BYTES = 2048  # heads longer than this are parsed every time
_MAX_LINES = 1024  # in each generation
_MAX_LINE_BYTES = 512
_MOST_FIELDS = 32  # a head of more fields than browsers send is parsed as a whole, which costs less if none is known


class _KnownLines(dict[bytes, NamedLine]):
    """Field lines by their bytes: `known[line]` is parsed unless it is kept.

    It is the younger generation of a cache, which fills it.
    """

    __slots__ = ("cache",)

    def __init__(self) -> None:
        self.cache: Cache[NamedLine] = Cache(_MAX_LINES, _MAX_LINE_BYTES, self)

    def __missing__(self, line: bytes) -> NamedLine:
        found = self.cache.get_older(line)
        if found is None:
            found = parse_field_line(line)
            self.cache.offer(line, found)
        return found


class HeadCache:
    """Plans of HTTP/1 heads.

    recent: maps the bytes of a whole head to its plan, if the request has no body: it can be run at once. The loop
    looks there by itself.
    """

    __slots__ = ("_closing", "_limits", "_lines", "_planner", "_plans", "_plans_with_body", "recent")

    def __init__(self, planner: Planner, limits: Limits) -> None:
        self._plans: Cache[Plan] = Cache(_MAX_PLANS, _MAX_HEAD_BYTES)
        self._plans_with_body: Cache[Plan] = Cache(_MAX_PLANS, _MAX_HEAD_BYTES)
        self._lines = _KnownLines()
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
        lines = block.split(b"\r\n", _MOST_FIELDS + 2)
        if lines[-2:] != [b"", b""] or len(lines) > limits.fields + 2:
            return parse_fields(block, limits)
        del lines[-2:]
        return Fields(list(map(self._lines.__getitem__, lines)))
