"""Owns `HeadCache`: the plans of HTTP/1 heads by their bytes, so that a head that comes again is not parsed again.

Clients repeat themselves: the same head comes again and again on a keep-alive connection, and if its path or a cookie
changes, the same field lines. So both are kept. And if a proxy or a browser sends another value with each request
(X-Request-ID, X-Forwarded-For, a cookie), the head is alike: it has the same request line, and the same lines of the
fields that a plan depends on. Then the plan is that of the heads before. A plan is never changed once it is made, so
threads share it. The leader's.
"""

from __future__ import annotations

from ...protocol import FieldLine, Fields, Head, Limits, NamedLine, ProtocolError, parse_field_line, parse_head
from ..cache import Cache
from ..exchanges.plan import Plan, Planner

__all__ = ["MAX_HEAD_BYTES", "HeadCache"]

_MAX_PLANS = 512  # and field blocks, in each generation
MAX_HEAD_BYTES = 2048  # heads longer than this are parsed every time
_MAX_LINES = 1024  # in each generation
_MAX_LINE_BYTES = 512
_LOOKS, _PAUSE = 64, 512  # heads for which is looked for something in vain, and those for which it is not then
_MOST_FIELDS = 32  # a head of more fields than browsers send is parsed as a whole, which costs less if none is known

_Alike = tuple[bytes, tuple[FieldLine | None, ...]]
"""What heads have in common that are alike: the request line, and the lines of the fields that decide."""


class _KnownLines(dict[bytes, NamedLine]):
    """Field lines by their bytes: `known[line]` is parsed unless it is kept.

    It is the younger generation of a cache, which fills it.
    """

    __slots__ = ("cache",)

    def __init__(self) -> None:
        self.cache: Cache[bytes, NamedLine] = Cache(_MAX_LINES, _MAX_LINE_BYTES, self)

    def __missing__(self, line: bytes) -> NamedLine:
        found = self.cache.get_older(line)
        if found is None:
            found = parse_field_line(line)
            if self.cache.comes_again(line):
                found[1].known = True
                self.cache.keep(line, found)
        return found


class HeadCache:
    """Plans of HTTP/1 heads.

    recent: maps the bytes of a whole head to its plan, if it can be run at once, as the request has no body and its
    plan does not vary. The loop looks there by itself. recent_to_begin: the same of heads with which more is to be
    done.
    """

    __slots__ = (
        "_alike",
        "_alike_looks",
        "_block_looks",
        "_blocks",
        "_closing",
        "_deciding",
        "_limits",
        "_line",
        "_lines",
        "_most_lines",
        "_planner",
        "_plans",
        "_plans_to_begin",
        "recent",
        "recent_to_begin",
    )

    def __init__(self, planner: Planner, limits: Limits) -> None:
        self._plans: Cache[bytes, Plan] = Cache(_MAX_PLANS, MAX_HEAD_BYTES)
        self._plans_to_begin: Cache[bytes, Plan] = Cache(_MAX_PLANS, MAX_HEAD_BYTES)
        self._alike: Cache[_Alike, Plan] = Cache(_MAX_PLANS)
        self._alike_looks = _LOOKS + _PAUSE
        self._deciding = planner.deciding_fields
        self._lines = _KnownLines()
        self._line = self._lines.__getitem__
        self._most_lines = min(limits.fields, _MOST_FIELDS) + 1  # with the empty one
        self._blocks: Cache[bytes, Fields] = Cache(_MAX_PLANS, MAX_HEAD_BYTES)
        self._block_looks = _LOOKS + _PAUSE
        self.recent = self._plans.recent
        self.recent_to_begin = self._plans_to_begin.recent
        self._planner = planner
        self._limits = limits
        self._closing = False

    def close(self) -> None:
        """From now on no answer is plain, as answers may have to end their connections."""
        self._closing = True
        self._plans.clear()
        self._plans_to_begin.clear()
        self._alike.clear()

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
            return self._find(data, data[:end], data[end + 2 :])
        except ProtocolError:
            return None

    def _find(self, data: bytes, line: bytes, block: bytes) -> Plan | None:
        """Return the plan of a request line and a block of fields, which together are `data`; None if the block is not
        one, or of very many fields. Raises ProtocolError.

        Whole blocks are looked for as long as some come again: not where each has a field of its own. So are heads that
        are alike: not where each has a request line of its own.
        """
        block_looks = self._block_looks = self._block_looks - 1 if self._block_looks else _LOOKS + _PAUSE
        if block_looks > _PAUSE:
            fields = self._blocks.get(block)
            if fields is not None:
                self._block_looks = _LOOKS + _PAUSE
                return self._make(data, Head(line, fields))
        lines = block.split(b"\r\n", self._most_lines)
        if lines.pop() or not lines or lines.pop():
            return None
        named = list(map(self._line, lines))
        key: _Alike | None = None
        alike_looks = self._alike_looks = self._alike_looks - 1 if self._alike_looks else _LOOKS + _PAUSE
        if alike_looks > _PAUSE and len(data) <= MAX_HEAD_BYTES:
            first = dict(named)
            if len(first) == len(named):
                key = line, tuple(map(first.get, self._deciding))
                alike = self._alike.get(key)
                if alike is not None:
                    self._alike_looks = _LOOKS + _PAUSE
                    plan = self._planner.plan_alike(alike, alike.head.with_fields(named, first))
                    plans = self._plans_to_begin if plan.has_body or plan.varies else self._plans
                    if plans.comes_again(data):
                        plans.keep(data, plan)
                    return plan
        fields = Fields(named)
        if block_looks > _PAUSE:
            self._blocks.offer(block, fields)
        plan = self._make(data, Head(line, fields))
        if key is not None and all(each is None or each.known for each in key[1]):
            self._alike.offer(key, plan)
        return plan

    def _make(self, block: bytes, head: Head) -> Plan:
        plain = head.keep_alive and head.minor == 1 and head.method != "HEAD" and not self._closing
        plan = self._planner.plan(head, plain)
        plans = self._plans_to_begin if plan.has_body or plan.varies else self._plans
        if plans.comes_again(block):
            plans.keep(block, plan)
        return plan
