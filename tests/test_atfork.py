"""webpy.atfork: objects are renewed in forked children, in order, and only as long as somebody uses them."""

from __future__ import annotations

import gc
import os
import sys
import threading
from typing import Any

import pytest

from tests.forked import Forked
from tests.test_layers import MODULES, ROOT
from webpy import atfork
from webpy.atfork import AtFork, ForkSafeLock


class Noted(AtFork):
    def __init__(self, name: str, calls: list[str]) -> None:
        self.name, self.calls = name, calls
        super().__init__()

    def after_fork_in_child(self) -> None:
        self.calls.append(f"{self.name} in child")


class Resting(Noted):
    def before_fork(self) -> None:
        self.calls.append(f"{self.name} before")

    def after_fork_in_parent(self) -> None:
        self.calls.append(f"{self.name} in parent")


def calls_in_child(calls: list[str]) -> Any:
    with Forked(lambda pipe: pipe.send(list(calls))) as child:
        received = child.receive()
        assert child.join() == 0
    return received


def test_each_is_called_in_its_order() -> None:
    calls: list[str] = []
    kept = [Noted("a", calls), Resting("b", calls), Resting("c", calls)]
    assert calls_in_child(calls) == ["b before", "c before", "a in child", "b in child", "c in child"]
    assert calls == ["b before", "c before", "c in parent", "b in parent"]
    assert kept


def test_an_object_that_is_not_used_any_more_is_forgotten() -> None:
    calls: list[str] = []
    known = len(atfork._objects)
    Noted("a", calls)
    gc.collect()
    assert len(atfork._objects) <= known
    assert calls_in_child(calls) == []


def test_other_threads_may_make_objects_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda raised: printed.append(repr(raised.exc_value)))
    over = threading.Event()
    kept: list[Resting] = []

    def make() -> None:
        while not over.is_set():
            kept.append(Resting("", []))
            if len(kept) > 2000:
                kept.clear()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=make)
    thread.start()
    try:
        for _ in range(500):
            atfork._before_fork()
            atfork._after_fork_in_parent()
    except RuntimeError as error:
        printed.append(repr(error))
    finally:
        sys.setswitchinterval(before)
        over.set()
        thread.join()
    assert printed == []


def test_what_one_raises_keeps_no_other_from_being_called(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(Resting):
        def before_fork(self) -> None:
            raise ValueError("before")

        def after_fork_in_child(self) -> None:
            raise ValueError("in child")

    printed: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda raised: printed.append(str(raised.exc_value)))
    calls: list[str] = []
    kept = [Failing("a", calls), Resting("b", calls)]
    assert calls_in_child(calls) == ["b before", "b in child"]
    assert calls == ["b before", "b in parent", "a in parent"]
    assert printed == ["before"]
    del kept
    gc.collect()
    assert calls_in_child([]) == []


def test_a_lock_that_another_thread_holds_is_free_in_the_child() -> None:
    lock = ForkSafeLock()
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            over.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()

    def work(pipe: Any) -> None:
        with lock:
            pipe.send("taken")

    try:
        with Forked(work) as child:
            assert child.receive() == "taken"
            assert child.join() == 0
    finally:
        over.set()
        thread.join()


def test_a_child_can_fork_too() -> None:
    calls: list[str] = []
    kept = Resting("a", calls)

    def work(pipe: Any) -> None:
        pid = os.fork()
        if pid == 0:
            pipe.send(calls)
            os._exit(0)
        os.waitpid(pid, 0)

    with Forked(work) as child:
        assert child.receive() == ["a before", "a in child", "a before", "a in child"]
        assert child.join() == 0
    assert kept


def test_nothing_else_registers_at_forks() -> None:
    """But the supervisor, which imports nothing of webpy: its worker leaves the descriptors that are the master's."""
    found = [str(path.relative_to(ROOT)) for path in MODULES.values() if "register_at_fork(" in path.read_text()]
    assert sorted(found) == ["supervisor/processes/zygote.py", "webpy/atfork.py"]
