"""Plans: what follows from a head's bytes, remembered in bounded memory."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.heads import FakePeer, head_bytes, head_of
from webpy import HTTPError, HTTPHandler
from webpy.accesslog import compile_format
from webpy.framework.atomic import ResourceLocks
from webpy.framework.request import Request
from webpy.framework.routing.routes import compile_routes
from webpy.protocol import Limits, ProtocolError
from webpy.worker.exchanges.plan import PEER_BYTES, Plan, Planner
from webpy.worker.http1.heads import HeadCache


class Echo(HTTPHandler):
    def do_get(self) -> Any:
        return 200, self.groups[0]

    def do_search(self) -> Any:
        return 200, "found"


def planner(handler: type[HTTPHandler] = Echo, locks: ResourceLocks | None = None) -> HeadCache:
    table = compile_routes({"/(.*)": handler})
    return HeadCache(Planner(table, Limits(), compile_format("common"), locks or ResourceLocks()), Limits())


def run(plan: Plan) -> Any:
    return plan.call(plan.handler(Request(FakePeer(), plan.head), plan.groups))


def test_a_plan_says_all_that_follows_from_the_head() -> None:
    plan = planner().plan(head_bytes("GET", "/a?b", "User-Agent: x"))
    assert (plan.head.method, plan.head.resource, plan.handler, plan.groups[0]) == ("GET", "/a?b", Echo, "a?b")
    assert run(plan) == (200, "a?b")
    assert (plan.plain is not None, plan.has_body) == (True, False)
    assert plan.text.rstrip() == b"GET /a?b HTTP/1.1"


def test_the_text_fills_a_line_of_the_scoreboard_whatever_the_request() -> None:
    from webpy.supervisor import TEXT_BYTES

    for target in ("/", "/" + "x" * 500):
        assert PEER_BYTES + len(planner().plan(head_bytes("GET", target)).text) == TEXT_BYTES


KEPT = {"secured", "redirected", "refused", "verdict", "hosted"}


def test_a_copy_has_all_of_a_plan_but_what_is_kept_with_it() -> None:
    plan = planner().plan(head_bytes("POST", "/a?b", "Content-Length: 1"))
    plan.varies = plan.forwards = True
    for name in KEPT:
        setattr(plan, name, plan)
    made = plan.copy()
    for name in Plan.__slots__:
        assert getattr(made, name) is (None if name in KEPT else getattr(plan, name)), name


def test_the_plan_of_a_head_that_is_alike_has_nothing_that_was_kept_with_the_other() -> None:
    plans = planner()
    plan = plans.plan(head_bytes())
    fresh = {name: getattr(plan, name) for name in Plan.__slots__}
    plan.secured = plan.redirected = plan.refused = plan.hosted = plan.verdict = plan
    head = head_of("GET", "/", "X-New: 1")
    made = plans._planner.plan_alike(plan, head)
    for name in Plan.__slots__:
        assert getattr(made, name) is (head if name == "head" else fresh[name]), name


@pytest.mark.parametrize(
    ("method", "version", "fields", "plain"),
    [
        ("GET", "HTTP/1.1", (), True),
        ("HEAD", "HTTP/1.1", (), False),
        ("GET", "HTTP/1.0", (), False),
        ("GET", "HTTP/1.0", ("Connection: keep-alive",), False),
        ("GET", "HTTP/1.1", ("Connection: close",), False),
    ],
)
def test_which_requests_have_plain_answers(method: str, version: str, fields: tuple[str, ...], plain: bool) -> None:
    assert (planner().plan(head_bytes(method, "/", *fields, version=version)).plain is not None) is plain


@pytest.mark.parametrize(
    ("field", "has_body"),
    [("Content-Length: 0", False), ("Content-Length: 1", True), ("Transfer-Encoding: chunked", True), ("X: y", False)],
)
def test_only_a_request_without_body_can_be_run_from_its_head(field: str, has_body: bool) -> None:
    plans = planner()
    block = head_bytes("POST", "/", field)
    plan = [plans.plan(block) for _ in range(3)][-1]
    assert plan.has_body is has_body
    assert plans.plan(block) is plan
    assert (block in plans.recent) is not has_body  # the loop runs what it finds there without looking for a body


def test_a_bad_head_is_not_remembered() -> None:
    plans = planner()
    for _ in range(2):
        with pytest.raises(ProtocolError, match="needs a Host"):
            plans.plan(b"GET / HTTP/1.1\r\n\r\n")
    assert not plans.recent


def test_what_is_remembered_is_bounded() -> None:
    plans = planner()
    recent = plans.recent
    for number in range(3000):
        for _ in range(2):
            plans.plan(head_bytes("POST" if number % 2 else f"M{number}", f"/{number}", f"X: {number}"))
    for kept in (plans.recent, plans._plans_to_begin.recent, plans._lines, plans._planner._entries):
        assert len(kept) <= 1024
    assert plans.recent is recent  # the loop holds on to it


def test_a_long_head_is_parsed_every_time() -> None:
    plans = planner()
    block = head_bytes("GET", "/", "Cookie: " + "c" * 3000)
    assert len({id(plan) for plan in [plans.plan(block) for _ in range(4)]}) == 4
    assert not plans.recent


def test_closing_forgets_the_plans_that_keep_connections() -> None:
    plans = planner()
    block = head_bytes()
    assert all(plans.plan(block).plain for _ in range(3))
    assert plans.recent
    plans.close()
    assert not plans.recent
    assert not plans.plan(block).plain


def test_unknown_methods_share_what_is_learned() -> None:
    plans = planner()
    works = {id(plans.plan(head_bytes(f"M{number}", "/a")).work) for number in range(50)}
    assert len(works) == 1
    known = {id(plans.plan(head_bytes(method, "/a")).work) for method in ("GET", "POST", "SEARCH")}
    assert len(known | works) == 4


def test_paths_that_are_not_there_share_what_is_learned() -> None:
    table = compile_routes({"/there": Echo})
    plans = HeadCache(Planner(table, Limits(), None, ResourceLocks()), Limits())
    assert len({id(plans.plan(head_bytes("GET", f"/{number}/x")).work) for number in range(50)}) == 1
    assert plans.plan(head_bytes()).parts == ()


# -- atomic -----------------------------------------------------------------------------------------------------------


class Meeting(HTTPHandler):
    """Says whether two may be inside at once: the first waits for the second, and the second for nobody."""

    atomic = True
    inside = threading.Semaphore(0)
    second = threading.Event()

    def do_get(self) -> Any:
        return self._meet()

    def do_put(self) -> Any:
        return self._meet()

    def _meet(self) -> Any:
        if "first" in self.request.resource:
            Meeting.inside.release()
            return 200, Meeting.second.wait(0.3)
        Meeting.second.set()
        return 200, None


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        (("GET", "/a?first"), ("GET", "/a"), True),
        (("GET", "/a?first"), ("PUT", "/a"), False),
        (("PUT", "/a?first"), ("GET", "/a"), False),
        (("PUT", "/a?first"), ("PUT", "/a?x=1"), False),
        (("PUT", "/a?first"), ("PUT", "/%61"), False),
        (("PUT", "/a?first"), ("PUT", "/b"), True),
        (("OPTIONS", "/a"), ("PUT", "/a"), True),
    ],
)
def test_atomic_is_one_writer_or_many_readers_of_a_path(
    first: tuple[str, str], second: tuple[str, str], together: bool
) -> None:
    Meeting.inside = threading.Semaphore(0)
    Meeting.second = threading.Event()
    plans = planner(Meeting)
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(run(plans.plan(head_bytes(*first)))))
    thread.start()
    if "first" in first[1]:
        assert Meeting.inside.acquire(timeout=10)
    assert run(plans.plan(head_bytes(*second)))[0] == 200
    thread.join(10)
    assert results[0][1] in ((None,) if "first" not in first[1] else (together,))


def test_who_waits_too_long_is_told_to_come_again() -> None:
    locks = ResourceLocks(timeout_s=0.01)
    plan = planner(Meeting, locks).plan(head_bytes("PUT", "/b"))
    with locks.write("/b"), pytest.raises(HTTPError) as caught:
        run(plan)
    assert caught.value.status == 503 and caught.value.headers and caught.value.headers["Retry-After"] == "1"
    assert run(plan)[0] == 200


def test_a_timeout_of_the_handlers_own_is_its_own() -> None:
    class Late(HTTPHandler):
        atomic = True

        def do_get(self) -> Any:
            raise TimeoutError("of a database")

    with pytest.raises(TimeoutError, match="of a database"):
        run(planner(Late).plan(head_bytes()))


def test_an_atomic_handler_that_raises_lets_the_next_in() -> None:
    class Fails(HTTPHandler):
        atomic = True

        def do_put(self) -> Any:
            raise HTTPError(409)

    plan = planner(Fails, ResourceLocks(timeout_s=1)).plan(head_bytes("PUT", "/"))
    for _ in range(2):
        with pytest.raises(HTTPError, match="409"):
            run(plan)


def test_a_plan_is_of_the_head_as_parsed() -> None:
    assert planner().plan(head_bytes("GET", "/x")).head.line == head_of("GET", "/x").line
