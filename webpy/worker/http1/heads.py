"""Owns `HeadCache`: the plans of HTTP/1 heads by their bytes, so that a head that comes again is not parsed again.

Clients repeat themselves: the same head comes again and again on a keep-alive connection, and if its path or a cookie
changes, the same field lines. So both are kept. A plan is never changed once it is made, so threads share it. The
leader's.
"""

from __future__ import annotations

from ...protocol import Fields, Head, Limits, NamedLine, ProtocolError, parse_field_line, parse_head
from ..exchanges.plan import Plan, Planner
from .cache import Cache

__all__ = ["MAX_HEAD_BYTES", "HeadCache"]

_MAX_PLANS = 512  # and field blocks, in each generation
MAX_HEAD_BYTES = 2048  # heads longer than this are parsed every time
_MAX_LINES = 1024  # in each generation
_MAX_LINE_BYTES = 512
_LOOKS, _PAUSE = 64, 512  # heads for whose field block one is looked in vain, and those for which none is then
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

    recent: maps the bytes of a whole head to its plan, if it can be run at once, as the request has no body and its
    plan does not vary. The loop looks there by itself.
    """

    __slots__ = (
        "_blocks",
        "_closing",
        "_limits",
        "_line",
        "_lines",
        "_looks",
        "_most_lines",
        "_planner",
        "_plans",
        "_plans_to_begin",
        "recent",
    )

    def __init__(self, planner: Planner, limits: Limits) -> None:
        self._plans: Cache[Plan] = Cache(_MAX_PLANS, MAX_HEAD_BYTES)
        self._plans_to_begin: Cache[Plan] = Cache(_MAX_PLANS, MAX_HEAD_BYTES)
        self._lines = _KnownLines()
        self._line = self._lines.__getitem__
        self._most_lines = min(limits.fields, _MOST_FIELDS) + 1  # with the empty one
        self._blocks: Cache[Fields] = Cache(_MAX_PLANS, MAX_HEAD_BYTES)
        self._looks = _LOOKS + _PAUSE
        self.recent = self._plans.recent
        self._planner = planner
        self._limits = limits
        self._closing = False

    def close(self) -> None:
        """From now on no answer is plain, as answers may have to end their connections."""
        self._closing = True
        self._plans.clear()
        self._plans_to_begin.clear()

    def plan(self, block: bytes) -> Plan:
        """Return the plan of a whole head. Raises ProtocolError if the head is malformed."""
        return self.plan_alone(block) or self._make(block, parse_head(block, self._limits))

    def plan_alone(self, data: bytes) -> Plan | None:
        """Return the plan of what was received if that is one head and nothing else; None for anything else, such as a
        malformed head or one of very many fields."""
        plan = self._plans.get(data) or self._plans_to_begin.get(data)
        if plan is not None:
            return plan
        limits = self._limits
        end = data.find(b"\r\n")
        if not 0 < end <= limits.line_bytes or len(data) > limits.head_bytes:
            return None
        try:
            fields = self._find_fields(data[end + 2 :])
            return None if fields is None else self._make(data, Head(data[:end], fields))
        except ProtocolError:
            return None

    def _find_fields(self, block: bytes) -> Fields | None:
        """Return the fields of a block; None if it is not one, or of very many fields. Raises ProtocolError.

        Whole blocks are looked for as long as some come again: not where each has a field of its own.
        """
        looks = self._looks = self._looks - 1 if self._looks else _LOOKS + _PAUSE
        if looks > _PAUSE:
            fields = self._blocks.get(block)
            if fields is not None:
                self._looks = _LOOKS + _PAUSE
                return fields
        lines = block.split(b"\r\n", self._most_lines)
        if lines.pop() or not lines or lines.pop():
            return None
        fields = Fields(list(map(self._line, lines)))
        if looks > _PAUSE:
            self._blocks.offer(block, fields)
        return fields

    def _make(self, block: bytes, head: Head) -> Plan:
        plain = head.keep_alive and head.minor == 1 and head.method != "HEAD" and not self._closing
        plan = self._planner.plan(head, plain)
        (self._plans_to_begin if plan.has_body or plan.varies else self._plans).offer(block, plan)
        return plan
