"""Heads that are remembered: the same as when they are parsed whole, in bounded memory and time."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocol.bad_input import ACCEPTED, BAD
from tests.protocol.driver import facts
from tests.protocol.test_properties import QUICK, bent
from webpy import HTTPHandler
from webpy.accesslog import compile_format
from webpy.framework.atomic import ResourceLocks
from webpy.framework.routing.routes import compile_routes
from webpy.protocol import Head, Limits, ProtocolError, parse_head
from webpy.worker.exchanges.plan import Plan, Planner
from webpy.worker.http1.heads import HeadCache

LIMITS = Limits()
LOCKS = ResourceLocks()  # it has a file, so one for all


def head_cache(limits: Limits = LIMITS) -> HeadCache:
    table = compile_routes({"/(.*)": HTTPHandler})
    return HeadCache(Planner(table, limits, compile_format("combined"), LOCKS), limits)


def outcome(parse: Callable[[bytes], Head], block: bytes) -> object:
    try:
        return facts(parse(block))
    except ProtocolError as error:
        return error.status, str(error)


@QUICK
@given(bent(), st.sampled_from([Limits(fields=4, head_bytes=160), LIMITS]))
def test_known_lines_give_what_parsing_the_whole_gives(raw: bytes, limits: Limits) -> None:
    block = raw.partition(b"\r\n\r\n")[0].rstrip(b"\r\n") + b"\r\n\r\n"
    heads = head_cache(limits)
    whole = outcome(lambda block: parse_head(block, limits), block)
    for _ in range(4):  # unknown, seen once, known, remembered whole
        assert outcome(lambda block: heads.plan(block).head, block) == whole


@pytest.mark.parametrize("raw", [*(bad.raw for bad in BAD), *(good.raw for good in ACCEPTED)])
def test_rows_of_the_table_of_bad_input(raw: bytes) -> None:
    block = raw.partition(b"\r\n\r\n")[0].rstrip(b"\r\n") + b"\r\n\r\n"
    heads = head_cache()
    for known in (block, b"GET /another HTTP/1.1\r\n" + block.partition(b"\r\n")[2]) * 3:
        whole = outcome(lambda block: parse_head(block, LIMITS), known)
        assert outcome(lambda block: heads.plan(block).head, known) == whole


@QUICK
@given(bent(), st.sampled_from(["combined", "json", "%({x-vary}i)s %({cookie}i)s", None]), st.integers(0, 3))
def test_heads_that_are_alike_give_what_parsing_the_whole_gives(raw: bytes, log: str | None, at: int) -> None:
    """A line that is new with every head, anywhere among the others; the plan is the same, too."""
    start, *lines = raw.partition(b"\r\n\r\n")[0].rstrip(b"\r\n").split(b"\r\n")
    table = compile_routes({"/a.*": HTTPHandler, "/(.*)": HTTPHandler})
    heads, fresh = [
        HeadCache(Planner(table, LIMITS, None if log is None else compile_format(log), LOCKS, ("x-vary",)), LIMITS)
        for _ in range(2)
    ]

    def plan_of(planned: Callable[[], Plan]) -> object:
        try:
            plan = planned()
        except ProtocolError as error:
            return error.status, str(error)
        of_plan = [getattr(plan, name) for name in ("answers", "forwards", "varies", "has_body", "parts", "text")]
        return facts(plan.head), plan.head.line, of_plan, plan.plain is None, plan.groups[:]

    for number in range(7):
        varied = [b"X-Vary: %d" % number, b"X-Vary:", b"Cookie: a=%d" % number, b"Connection: x%d" % (number // 5)]
        block = b"\r\n".join([start, *lines[:at], varied[at], *lines[at:], b"", b""])
        whole = plan_of(lambda block=block: fresh._make(b"", parse_head(block, LIMITS)))  # type: ignore[misc]
        assert plan_of(lambda block=block: heads.plan(block)) == whole  # type: ignore[misc]


def alike(number: int, *fields: bytes) -> bytes:
    lines = [b"GET / HTTP/1.1", b"Host: a", b"User-Agent: browser", b"X-Request-ID: %d" % number, *fields]
    return b"\r\n".join([*lines, b"", b""])


def test_the_route_and_the_log_of_heads_that_are_alike_are_looked_up_once() -> None:
    heads = head_cache()
    plans = [heads.plan(alike(number)) for number in range(8)]
    assert plans[7].parts is plans[6].parts and plans[7].text is plans[6].text
    assert plans[7].head is not plans[6].head
    assert [plan.head.get("x-request-id") for plan in plans] == [str(number) for number in range(8)]
    assert plans[7].head.fields == (("Host", "a"), ("User-Agent", "browser"), ("X-Request-ID", "7"))


@pytest.mark.parametrize(
    "field",
    [b"Connection: close", b"Content-Length: 1", b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"Referer: b"],
)
def test_heads_with_another_deciding_field_are_not_alike(field: bytes) -> None:
    heads = head_cache()
    for number in range(8):
        heads.plan(alike(number))
    plan, whole = heads.plan(alike(9, field)), parse_head(alike(9, field), LIMITS)
    assert facts(plan.head) == facts(whole)
    assert (plan.has_body, plan.plain is not None) == (bool(whole.content_length) or whole.chunked, whole.keep_alive)
    assert (b'"b"' in plan.parts[-1]) == (field == b"Referer: b")
    twice = alike(9, b"Host: a")
    with pytest.raises(ProtocolError, match="more than one 'Host' field"):
        heads.plan(twice)


def test_heads_that_are_alike_are_not_looked_for_where_each_has_a_line_of_its_own() -> None:
    heads = head_cache()
    for number in range(100):
        heads.plan(alike(number).replace(b"GET / ", b"GET /%d " % number))
    parts = [heads.plan(alike(number)).parts for number in range(200, 208)]
    assert parts[7] is not parts[6]
    parts = [heads.plan(alike(number)).parts for number in range(1000, 2000)]
    assert parts[-1] is parts[-2]


def test_closing_forgets_the_plans_of_heads_that_are_alike() -> None:
    heads = head_cache()
    assert all(heads.plan(alike(number)).plain for number in range(8))
    heads.close()
    assert not heads.plan(alike(9)).plain


def browser(number: int) -> bytes:
    return (
        f"GET /item/{number * 104729 % 999983}?page={number} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: keep-alive\r\n"
        'Cache-Control: max-age=0\r\nsec-ch-ua: "Not/A)Brand";v="8", "Chromium";v="126", "Google Chrome";v="126"\r\n'
        'sec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: "Windows"\r\nUpgrade-Insecure-Requests: 1\r\n'
        "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
        " Chrome/126.0.0.0 Safari/537.36\r\n"
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\n"
        "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"
        "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n"
        f"Cookie: sid={number * 7919 % 1000003}; theme=dark; t={number}\r\n\r\n"
    ).encode()


def test_blocks_of_fields_are_looked_for_as_long_as_some_come_again() -> None:
    heads = head_cache()

    def fields_of(number: int, cookie: int) -> object:
        return heads.plan(b"GET /%d HTTP/1.1\r\nHost: a\r\nCookie: %d\r\n\r\n" % (number, cookie)).head._first

    found = [fields_of(number, 0) for number in range(4)]
    assert found[1] is not found[0]
    assert found[3] is found[2]  # it had come twice
    for number in range(100):
        fields_of(number, number)
    assert fields_of(4000, 0) is not fields_of(4001, 0)
    for number in range(1000):
        fields_of(number, 0)
    assert fields_of(5000, 0) is fields_of(5001, 0)


def test_what_the_log_says_of_a_line_that_is_known() -> None:
    heads = head_cache()
    for number in range(5):
        field = b'User-Agent: "a"\r\n' if number % 2 else b"User-Agent: b\r\n"
        plan = heads.plan(b"GET /%d HTTP/1.1\r\nHost: a\r\n%b\r\n" % (number, field))
        assert plan.parts[-1] == (b'" "-" "\\x22a\\x22" ' if number % 2 else b'" "-" "b" ')[-len(plan.parts[-1]) :]


def test_lines_that_come_once_are_not_kept() -> None:
    """A client that sends nothing twice makes the worker keep nothing."""
    heads = head_cache()

    def send(numbers: range) -> None:
        for number in numbers:
            lines = b"".join(b"X-%d: %d%b\r\n" % (number, line, b"x" * 200) for line in range(20))
            heads.plan(b"GET /%d HTTP/1.1\r\nHost: a\r\n%b\r\n" % (number, lines))

    send(range(1000))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        send(range(1000, 3000))  # 8 MB
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 1_000_000


def test_lines_that_come_twice_are_kept_in_bounded_number() -> None:
    """A client that sends all twice makes it keep so much, and no more."""
    heads = head_cache()
    tracemalloc.start()
    try:
        for number in range(2000):
            lines = b"".join(b"X-%d: %d%b\r\n" % (number, line, b"x" * 480) for line in range(20))
            for again in range(2):
                heads.plan(b"GET /%d HTTP/1.1\r\nHost: a\r\n%b\r\n" % (again, lines))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 8_000_000


def costs_s(items: list[bytes], *parsers: Callable[[bytes], object]) -> list[float]:
    """The least CPU time of several rounds by turns, of each."""
    least = [1e9] * len(parsers)
    for _ in range(7):
        for place, parse in enumerate(parsers):
            began_s = time.thread_time()
            for item in items:
                parse(item)
            least[place] = min(least[place], time.thread_time() - began_s)
    return least


@pytest.mark.parametrize("fields", [1, 15, 31, 32, 100])
def test_lines_that_are_never_known_cost_little_more_than_parsing_the_whole(fields: int) -> None:
    limits = Limits(fields=100)
    cache = head_cache(limits)
    heads = [
        b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n" % b"".join(b"x%d-%d: y\r\n" % (line, head) for line in range(fields - 1))
        for head in range(500)
    ]

    def parse_whole(block: bytes) -> None:
        cache._planner.plan(parse_head(block, limits), True)

    known_s, whole_s = costs_s(heads, cache.plan, parse_whole)
    assert known_s < 4 * whole_s


def test_a_browsers_fields_cost_less_than_when_they_are_parsed_whole() -> None:
    """All but the cookie are known."""
    cache = head_cache()
    known_s, whole_s = costs_s(
        [browser(number) for number in range(2000)],
        cache.plan_alone,
        lambda block: cache._planner.plan(parse_head(block, LIMITS), True),
    )
    assert known_s < whole_s
