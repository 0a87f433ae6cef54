"""The screen of `webpy ctl top` at every size, from made-up statuses: its content, its order, and that it fits."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console
from rich.screen import Screen

from webpy.cli.ctl.topview import SORTS, Order, Rates, screen
from webpy.supervisor import bucket

KINDS = ("1xx", "2xx", "3xx", "4xx", "5xx", "other")


def worker(slot: int, **facts: Any) -> dict[str, Any]:
    return {
        "slot": slot, "generation": 3, "pid": 4000 + slot, "state": "ready", "leaving": "", "age_s": 100.0,
        "ready_s": 99.0, "heartbeat_s": 0.1, "connections": 5, "threads": 4, "busy_threads": 1, "queued": 0,
        "requests": 1000, "bytes_sent": 5, "memory_bytes": 30 << 20, "by_class": dict.fromkeys(KINDS, 0),
        "map": [0, 0, 0, 1], "running": [], **facts,
    }  # fmt: skip


def status(*workers: dict[str, Any], **facts: Any) -> dict[str, Any]:
    return {
        "name": "webpy", "pid": 3999, "started_at": 1000.0, "uptime_s": 200.0, "stage": "running", "generation": 3,
        "wanted": len(workers), "listeners": ["127.0.0.1:8000"],
        "reload": {"phase": "idle", "number": 3, "done": 0, "of": 0, "last": None}, "reloads": 0, "reloads_failed": 0,
        "totals": {"accepted": 5, "closed_idle": 0, "bytes_sent": 0, "timeouts": 0, "handed_over": 0, "requests": 2000,
                   "killed_requests": 0, "deaths": 0, "log_waits": 0, "by_class": dict.fromkeys(KINDS, 0)},
        "latency": {str(kind): {} for kind in range(6)}, "restarts": {}, "workers": list(workers), "sidecars": [],
        "events": [], **facts,
    }  # fmt: skip


def later(before: dict[str, Any], by_s: float, *requests: int) -> dict[str, Any]:
    """The status some seconds later, each worker having answered so many requests more."""
    workers = [
        {**each, "requests": each["requests"] + more} for each, more in zip(before["workers"], requests, strict=True)
    ]
    totals = {**before["totals"], "requests": before["totals"]["requests"] + sum(requests)}
    return {**before, "uptime_s": before["uptime_s"] + by_s, "workers": workers, "totals": totals}


def drawn(
    now: dict[str, Any],
    before: dict[str, Any] | None = None,
    order: Order | None = None,
    width: int = 80,
    height: int = 24,
    note: str = "",
) -> list[str]:
    lines = screen(now, Rates(before, now), order or Order(), (width, height), note)
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    console.print(Screen(*lines), end="")
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().split("\n")]


def slots(lines: list[str]) -> list[int]:
    """The slots of the workers' rows, from the top."""
    head = next(index for index, line in enumerate(lines) if line.lstrip().startswith("SLOT"))
    found = []
    for line in lines[head + 1 :]:
        if not line.strip() or not line.split()[0].isdecimal():
            break
        found.append(int(line.split()[0]))
    return found


def test_what_is_on_it() -> None:
    running = [{"thread": 77, "seconds": 7.4, "peer": "10.0.0.1", "request": "GET /report HTTP/1.1"},
               {"thread": 0, "seconds": 0.3, "peer": "10.0.0.2", "request": "POST /form HTTP/1.1"}]  # fmt: skip
    before = status(worker(0), worker(1, running=running, state="draining", queued=2))
    now = later(before, 2.0, 100, 20)
    now["latency"]["2"] = {str(bucket(900)): 118, str(bucket(50_000)): 2}
    before["latency"] = {}
    now["restarts"] = {"recycle": 4}
    lines = drawn(now, before)
    assert lines[0] == "webpy 3999 running  generation 3  up 3m 22s  workers 1/2  127.0.0.1:8000"
    assert lines[1] == "60 req/s  p50 959 µs  p99 53.2 ms  10 connections  2 busy  2 queued"
    assert lines[2] == "2.1k requests  5xx 0  deaths 0  killed 0  recycle 4"
    assert " ".join(lines[4].split()) == "SLOT PID GEN STATE AGE CONN REQ/S REQS BUSY QUEUE MEM LONGEST"
    assert " ".join(lines[5].split()) == "0 4000 3 ready 1m 40s 5 50 1.1k 1/4 0 30M -"
    assert " ".join(lines[6].split()) == "1 4001 3 draining 1m 40s 5 10 1.0k 1/4 2 30M 7.4s"
    assert lines[8].split() == ["TIME", "SLOT", "PEER", "RUNNING", "LONGEST"]
    assert lines[9].split() == ["7.4s", "1", "10.0.0.1", "GET", "/report", "HTTP/1.1"]
    assert lines[10].endswith("POST /form HTTP/1.1  (no thread)")
    assert lines[-1] == "q quit  s slot↓  c connections  r requests  m memory  l longest"


@pytest.mark.parametrize("width", [20, 33, 40, 60, 79, 80, 81, 120, 250])
@pytest.mark.parametrize("height", [5, 8, 13, 24, 60])
@pytest.mark.parametrize("count", [0, 1, 2, 64])
def test_it_fits(width: int, height: int, count: int) -> None:
    request = {"thread": 9, "seconds": 1e4, "peer": "2001:db8::" + "f" * 30, "request": "GET /" + "x" * 300}
    big = {"connections": 123456, "requests": 10**10, "memory_bytes": 10**12, "age_s": 1e8, "threads": 32,
           "busy_threads": 32, "queued": 10**6, "running": [request] * 20, "pid": 4194304}  # fmt: skip
    now = status(*(worker(slot, **big) for slot in range(count)), listeners=["127.0.0.1:8000"] * 9)
    now["reload"] = {"phase": "rolling", "number": 4, "done": 1, "of": count, "last": None}
    lines = drawn(now, later(now, -1.0, *[-500] * count), width=width, height=height, note="no answer for 3 s")
    assert len(lines) == height and lines[-1].startswith("q quit")
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("webpy 3999")


def test_narrow_screens_keep_what_matters() -> None:
    heads = {}
    for width in (24, 40, 60, 80):
        lines = drawn(status(worker(0)), width=width)
        heads[width] = next(line for line in lines if line.lstrip().startswith("SLOT")).split()
    assert heads[24] == ["SLOT", "STATE", "LONGEST"] or heads[24] == ["SLOT", "STATE", "REQ/S"]
    assert heads[40] == ["SLOT", "STATE", "REQ/S", "MEM", "LONGEST"]
    assert len(heads[80]) == 12


def test_more_workers_than_lines() -> None:
    lines = drawn(status(*(worker(slot) for slot in range(64))))
    assert slots(lines) == list(range(len(slots(lines))))
    assert f"   … {64 - len(slots(lines))} more" in lines
    assert any("RUNNING LONGEST" in line for line in lines)


def test_sorted_by_every_key_and_back() -> None:
    long, short = ([{"thread": 9, "seconds": seconds, "peer": "p", "request": "r"}] for seconds in (9.0, 1.0))
    before = status(
        worker(0, connections=2, memory_bytes=3 << 20, running=short),
        worker(1, connections=9, memory_bytes=1 << 20),
        worker(2, connections=5, memory_bytes=2 << 20, running=long),
    )
    now = later(before, 1.0, 30, 10, 20)
    wanted = {"s": [0, 1, 2], "c": [1, 2, 0], "r": [0, 2, 1], "m": [0, 2, 1], "l": [2, 0, 1]}
    assert set(wanted) == set(SORTS)
    for key, order in wanted.items():
        assert slots(drawn(now, before, Order(key))) == order, key
        assert slots(drawn(now, before, Order(key, reverse=True))) == order[::-1], key
        footer = drawn(now, before, Order(key))[-1]
        assert f"{key} {SORTS[key][0]}↓" in footer


def test_reloads_and_trouble() -> None:
    now = status(worker(0))
    now["reload"] = {"phase": "booting", "number": 4, "done": 0, "of": 0, "last": None}
    assert drawn(now)[3] == "reload to generation 4: booting"
    now["reload"] = {"phase": "rolling", "number": 4, "done": 1, "of": 2, "last": None}
    assert drawn(now)[3] == "reload to generation 4: rolling, 1 of 2 workers"
    text = "loader gen 4 did not load the application:\nTraceback ...\nImportError: no\x1b[2J module\n"
    now["reload"] = {"phase": "idle", "number": 4, "done": 0, "of": 0,
                     "last": {"ok": False, "generation": 3, "text": text, "at": 1140.0}}  # fmt: skip
    assert drawn(now)[3] == "reload failed 1m 00s ago: ImportError: no\ufffd[2J module"
    assert drawn(now, note="no answer for 3 s")[4] == "no answer for 3 s"


def test_what_clients_send_cannot_command_the_terminal() -> None:
    request = {"thread": 9, "seconds": 1.0, "peer": "\x1b[31m", "request": "GET /\x1b]0;x\x07[bold]y[/bold] HTTP/1.1"}
    text = "\n".join(drawn(status(worker(0, running=[request]))))
    assert "\x1b]" not in text and "\x07" not in text and "\x1b[31m" not in text
    assert "[bold]y[/bold]" in text, "and is no markup"


class TestRates:
    def test_without_an_earlier_status(self) -> None:
        rates = Rates(None, status(worker(0)))
        assert rates.requests is None and rates.worker(worker(0)) is None and rates.quantile(0.5) is None

    def test_of_another_master(self) -> None:
        now = status(worker(0))
        assert Rates({**now, "pid": 1, "uptime_s": 1.0}, now).requests is None
        assert Rates({**now, "uptime_s": 500.0}, now).requests is None, "restarted with the same pid"

    def test_a_worker_that_is_new(self) -> None:
        before = status(worker(0))
        now = later(before, 2.0, 50)
        now["workers"].append(worker(1))
        rates = Rates(before, now)
        assert [rates.worker(each) for each in now["workers"]] == [25.0, None]

    def test_quantiles(self) -> None:
        before, now = status(), status(uptime_s=201.0)
        before["latency"] = {"2": {"5": 100}}
        now["latency"] = {"2": {"5": 150, "10": 49}, "5": {"15": 1}}
        rates = Rates(before, now)
        assert [rates.quantile(part) for part in (0.01, 0.5, 0.51, 0.99, 1.0)] == [5e-6, 5e-6, 1e-5, 1e-5, 1.5e-5]
