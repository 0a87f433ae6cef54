"""The screen of `webpy ctl top`, made from two statuses and fitted to the window.

Owns the layout and its arithmetic. Pure functions: knows nothing of terminals, keys or sockets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from ...supervisor.scoreboard.latency import BUCKETS, bucket_bounds
from .figures import age, count, one_line, seconds, size

__all__ = ["SORTS", "Order", "screen"]

Status = dict[str, Any]

_STATE_STYLES = {"boot": "cyan", "ready": "green", "stuck": "bold red", "draining": "yellow", "killed": "red"}
_MIN_RUNNING = 4
_MIN_FOR_BOTH = 8  # lines that are needed to show both tables


@dataclass(frozen=True, slots=True)
class Order:
    """How the workers are sorted: by a key of SORTS, the greatest first unless `reverse`."""

    by: str = "s"
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    width: int
    rank: int  # without room, the column with the highest rank is left out first
    cell: Callable[[Status, Rates], str]
    left: bool = False


class Rates:
    """What happened between two statuses, `before` and `now`."""

    def __init__(self, before: Status | None, now: Status) -> None:
        if before is None or before["pid"] != now["pid"] or before["uptime_s"] >= now["uptime_s"]:
            before = None
        self._elapsed_s = now["uptime_s"] - before["uptime_s"] if before else 0.0
        self._before = {worker["pid"]: worker["requests"] for worker in before["workers"]} if before else {}
        self.requests = self._rate(now["totals"]["requests"], before["totals"]["requests"] if before else None)
        self.counts = _between(before["latency"] if before else None, now["latency"])

    def worker(self, worker: Status) -> float | None:
        """Return the requests a second of one worker, None if they are not known."""
        return self._rate(worker["requests"], self._before.get(worker["pid"]))

    def quantile(self, part: float) -> float | None:
        """Return the latency in seconds that the share `part` of the requests did not exceed, None without requests."""
        wanted = part * sum(self.counts)
        if not wanted:
            return None
        for (_, last_us), number in zip(bucket_bounds(), self.counts, strict=True):
            wanted -= number
            if wanted <= 0:
                return last_us / 1e6
        return None

    def _rate(self, now: int, before: int | None) -> float | None:
        return None if before is None or not self._elapsed_s else max(0, now - before) / self._elapsed_s


def _between(before: Status | None, now: Status) -> list[int]:
    counts = [0] * BUCKETS
    for sign, latency in ((1, now), (-1, before)):
        if before is not None and latency is not None:
            for buckets in latency.values():
                for index, number in buckets.items():
                    counts[int(index)] += sign * number
    return [max(0, number) for number in counts]


def _longest_s(worker: Status) -> float:
    return float(worker["running"][0]["seconds"]) if worker["running"] else 0.0


SORTS: dict[str, tuple[str, Callable[[Status, Rates], float]]] = {
    "s": ("slot", lambda worker, rates: -worker["slot"]),
    "c": ("connections", lambda worker, rates: worker["connections"]),
    "r": ("requests", lambda worker, rates: rates.worker(worker) or 0.0),
    "m": ("memory", lambda worker, rates: worker["memory_bytes"]),
    "l": ("longest", lambda worker, rates: _longest_s(worker)),
}

_COLUMNS = (
    _Column("SLOT", 4, 0, lambda worker, rates: str(worker["slot"])),
    _Column("PID", 7, 4, lambda worker, rates: str(worker["pid"] or "?")),
    _Column("GEN", 4, 6, lambda worker, rates: str(worker["generation"])),
    _Column("STATE", 8, 1, lambda worker, rates: worker["state"], left=True),
    _Column("AGE", 7, 8, lambda worker, rates: age(worker["age_s"])),
    _Column("CONN", 5, 5, lambda worker, rates: count(worker["connections"])),
    _Column("REQ/S", 5, 2, lambda worker, rates: _or_dash(rates.worker(worker))),
    _Column("REQS", 5, 9, lambda worker, rates: count(worker["requests"])),
    _Column("BUSY", 6, 7, lambda worker, rates: f"{worker['busy_threads']}/{worker['threads']}"),
    _Column("QUEUE", 5, 10, lambda worker, rates: count(worker["queued"])),
    _Column("MEM", 5, 3, lambda worker, rates: size(worker["memory_bytes"])),
    _Column("LONGEST", 7, 2, lambda worker, rates: age(_longest_s(worker) or None)),
)


def screen(now: Status, rates: Rates, order: Order, window: tuple[int, int], note: str = "") -> list[Text]:
    """Return the lines of the screen; `window` is its width and height in characters.

    `note` says what is wrong with the connection to the server.
    """
    width, height = window
    header = _header(now, rates)
    if note:
        header.append(Text(note, style="bold red"))
    room = height - len(header) - 1
    body: list[Text] = [Text("")] if room >= _MIN_FOR_BOTH else []
    room -= len(body)
    running = _running(now)
    for_running = 2 + max(1, len(running))  # a blank line and the head
    for_workers = 1 + len(now["workers"])
    for_running = min(for_running, max(2 + _MIN_RUNNING, room - for_workers)) if room >= _MIN_FOR_BOTH else 0
    if room > 1:
        body += _workers(now, rates, order, width, min(for_workers, room - for_running) - 1)
    if for_running:
        body += [Text(""), *_longest(running, width, for_running - 2)]
    lines = [*header, *body][: height - 1]
    lines += [Text("")] * (height - 1 - len(lines)) + [_footer(order)]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines


def _header(now: Status, rates: Rates) -> list[Text]:
    totals, workers = now["totals"], now["workers"]
    ready = sum(worker["state"] == "ready" for worker in workers)
    first = Text.assemble(
        (f"{now['name']} {now['pid']} ", "bold"),
        (now["stage"], "green" if now["stage"] == "running" else "bold yellow"),
        f"  generation {now['generation']}  up {age(now['uptime_s'])}  workers {ready}/{now['wanted']}",
        f"  {', '.join(now.get('urls') or now['listeners'])}",
    )
    second = Text.assemble(
        (f"{_or_dash(rates.requests)} req/s", "bold"),
        f"  p50 {seconds(rates.quantile(0.5))}  p99 {seconds(rates.quantile(0.99))}",
        f"  {count(sum(worker['connections'] for worker in workers))} connections",
        f"  {sum(worker['busy_threads'] for worker in workers)} busy",
        f"  {sum(worker['queued'] for worker in workers)} queued",
    )
    failed = totals["by_class"]["5xx"]
    third = Text.assemble(
        f"{count(totals['requests'])} requests  ",
        (f"5xx {count(failed)}", "red" if failed else ""),
        f"  deaths {totals['deaths']}  killed {totals['killed_requests']}",
        *(f"  {cause} {number}" for cause, number in now["restarts"].items()),
    )
    return [first, second, third, *_reload(now)]


def _reload(now: Status) -> list[Text]:
    reload = now["reload"]
    if reload["phase"] != "idle":
        progress = f", {reload['done']} of {reload['of']} workers" if reload["of"] else ""
        return [Text(f"reload to generation {reload['number']}: {reload['phase']}{progress}", style="bold cyan")]
    last = reload["last"]
    if last is not None and not last["ok"]:
        ago = age(now["started_at"] + now["uptime_s"] - last["at"])
        return [Text(f"reload failed {ago} ago: {_last_line(last['text'])}", style="red")]
    return []


def _last_line(text: str) -> str:
    return one_line(text.rstrip().rpartition("\n")[2])


def _workers(now: Status, rates: Rates, order: Order, width: int, max_lines: int) -> list[Text]:
    """Return the table's head and at most `max_lines` lines."""
    columns = _columns_for(width)
    key = SORTS[order.by][1]
    rows = sorted(now["workers"], key=lambda worker: key(worker, rates), reverse=not order.reverse)
    shown = rows if len(rows) <= max_lines else rows[: max_lines - 1]
    lines = [_head(" ".join(_cell(column, column.title) for column in columns), width)]
    for worker in shown:
        line = Text()
        for column in columns:
            style = _STATE_STYLES.get(worker["state"], "") if column.title == "STATE" else ""
            line.append(_cell(column, column.cell(worker, rates)), style).append(" ")
        lines.append(line)
    if len(shown) < len(rows):
        lines.append(Text(f"   … {len(rows) - len(shown)} more", style="dim"))
    return lines


def _cell(column: _Column, text: str) -> str:
    text = text[: column.width]
    return text.ljust(column.width) if column.left else text.rjust(column.width)


def _head(text: str, width: int) -> Text:
    return Text(text[:width].ljust(width), style="reverse")


def _columns_for(width: int) -> list[_Column]:
    columns = list(_COLUMNS)
    while len(columns) > 2 and sum(column.width + 1 for column in columns) - 1 > width:
        columns.remove(max(columns, key=lambda column: column.rank))
    return columns


def _running(now: Status) -> list[tuple[float, Status, Status]]:
    found = [(each["seconds"], worker, each) for worker in now["workers"] for each in worker["running"]]
    return sorted(found, key=lambda each: -each[0])


def _longest(running: list[tuple[float, Status, Status]], width: int, max_lines: int) -> list[Text]:
    longest_peer = max([4, *(len(one_line(each["peer"])) for _, _, each in running[:max_lines])])
    peer_width = min(24, longest_peer, max(4, width // 4))
    lines = [_head(f"{'TIME':>7} SLOT {'PEER':{peer_width}} RUNNING LONGEST", width)]
    for duration_s, worker, each in running[:max_lines]:
        peer = Text(one_line(each["peer"]))
        peer.truncate(peer_width, overflow="ellipsis", pad=True)
        request = one_line(each["request"]) + ("" if each["thread"] else "  (no thread)")
        lines.append(Text.assemble(f"{age(duration_s):>7} {worker['slot']:>4} ", peer, f" {request}"))
    return lines if running else [*lines, Text("      - nothing", style="dim")]


def _footer(order: Order) -> Text:
    footer = Text("q quit", style="dim")
    for key, (name, _) in SORTS.items():
        arrow = "↑" if order.reverse else "↓"
        footer.append(f"  {key} {name}{arrow if key == order.by else ''}", "bold" if key == order.by else "dim")
    return footer


def _or_dash(rate: float | None) -> str:
    return "-" if rate is None else count(rate)
