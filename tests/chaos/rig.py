"""The equipment of the chaos tests: the application, the load's process and its report, the access log by request.

`Load` owns the process of the load. Knows nothing of faults: the tests make them.
"""

from __future__ import annotations

import itertools
import json
import queue
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.server import ROOT, Server

__all__ = ["FORMAT", "Load", "Records", "Report", "group", "mixed", "write_app"]

FORMAT = "%(m)s %(U)s %(s)s %(D)s"
_RECORD = re.compile(
    r"(?P<method>[A-Z]+) /(?P<kind>[\w.]+)(?:/(?P<name>[\w.-]+)(?P<padding>/x*)?)? (?P<status>\d{3}|killed) \d+"
)
_PATIENCE_S = 10.0


_WRITES = itertools.count()


def write_app(folder: Path, *, version: str = "1", import_s: float = 0.0, more: str = "") -> Path:
    """Write app.py with these constants and `more` at its end, in one step, as a deployment should."""
    text = (Path(__file__).parent / "app.py").read_text()
    text = text.replace('VERSION = "1"', f"VERSION = {version!r}").replace("IMPORT_S = 0.0", f"IMPORT_S = {import_s}")
    folder.mkdir(exist_ok=True)
    path = folder / "app.py"
    padding = "#" * (next(_WRITES) % 1000)  # a file of the same second and size is the one compiled before, to Python
    path.with_suffix(".new").write_text(f"{text}{more}\n{padding}\n")
    path.with_suffix(".new").replace(path)
    return path


def group(server: Server, kind: str, clients: int, **more: Any) -> dict[str, Any]:
    """Return a group of clients that send requests of `kind` to `server`. more: ca (the authority's file, for TLS),
    pad_bytes."""
    return {"kind": kind, "clients": clients, "address": server.address, **more}


def mixed(server: Server, clients: int = 64, **more: Any) -> list[dict[str, Any]]:
    """Return groups of all kinds, half of the clients with quick requests."""
    parts = {"post": clients // 8, "wait": clients // 8, "stream": clients // 8, "upload": clients // 8}
    parts["get"] = clients - sum(parts.values())
    return [group(server, kind, count, **more) for kind, count in parts.items()]


@dataclass(frozen=True, slots=True)
class Report:
    """The results of all requests and connections: see load.py."""

    names: list[str]
    lost: list[dict[str, Any]]
    wrong: list[dict[str, Any]]
    closed_idle: list[dict[str, Any]]
    told_to_close: list[dict[str, Any]]
    refused: list[dict[str, Any]]
    kinds: dict[str, int]
    versions: dict[str, int]
    pids: dict[str, int]
    latency: dict[str, dict[str, float]]
    histogram: dict[str, int]
    worst: dict[str, Any]
    worst_by_pid: dict[str, float]
    slow: list[tuple[float, float, str]]
    late_s: float

    def closed(self, *, tls: bool) -> int:
        """Return how many connections the server ended, in any way: with TLS, or plain ones."""
        return sum(note["tls"] is tls for note in (*self.closed_idle, *self.told_to_close))

    def slowest_s(self, *, but: Iterable[str] = ()) -> float:
        """Return the longest time that a client had to wait for the server, without the kinds in `but`."""
        return max(summary["worst_s"] for kind, summary in self.latency.items() if kind not in but)

    def row(self, title: str, **facts: object) -> str:
        """Return a row of the table of results."""
        counts = {
            "answered": len(self.names),
            "lost": len(self.lost),
            "wrong": len(self.wrong),
            "refused": len(self.refused),
            "closed plain/TLS": f"{self.closed(tls=False)}/{self.closed(tls=True)}",
            "worst": f"{self.worst['s'] * 1000:.0f} ms ({self.worst['name']}; client itself {self.late_s * 1000:.0f})",
            **facts,
        }
        return f"| {title} | " + ", ".join(f"{name} {value}" for name, value in counts.items()) + " |"


class Load:
    """A process of load.py. A context manager; `stop` returns the report."""

    # parameters: the plan's, see load.py
    def __init__(
        self,
        groups: Sequence[dict[str, Any]],
        *,
        run: str = "a",
        think_s: tuple[float, float] = (0.02, 0.18),
        max_s: float = 60.0,
        patience_s: float = _PATIENCE_S,
        ends_when_refused: bool = False,
    ) -> None:
        plan = {
            "groups": list(groups),
            "think_s": think_s,
            "max_s": max_s,
            "patience_s": patience_s,
            "run": run,
            "ends_when_refused": ends_when_refused,
        }
        self._patience_s = patience_s
        self._said: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.load", json.dumps(plan)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Load:
        assert self._hear(20.0).get("ready")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._said.put(json.loads(line))
        self._said.put(None)

    def _hear(self, timeout_s: float) -> dict[str, Any]:
        try:
            said = self._said.get(timeout=timeout_s)
        except queue.Empty:
            raise AssertionError(f"the load said nothing for {timeout_s:g} s") from None
        assert said is not None, f"the load ended with status {self._process.wait()}"
        return said

    def _tell(self, word: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()

    def counts(self) -> dict[str, int]:
        """Return the counts so far: answered, and each of load.NOTES."""
        self._tell("count")
        return self._hear(10.0)

    def stop(self) -> Report:
        """Let the outstanding requests end and return the report."""
        self._tell("stop")
        return self.wait()

    def wait(self, timeout_s: float = 0.0) -> Report:
        """Wait until all clients have ended and return the report."""
        return Report(**self._hear(timeout_s or 2 * self._patience_s))


@dataclass
class Records:
    """The access log by the names of requests: how many lines each has, answered or killed, and other lines."""

    answered: Counter[str] = field(default_factory=Counter)
    killed: Counter[str] = field(default_factory=Counter)
    others: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, *paths: Path, pad_bytes: int = 0) -> Records:
        """Read these files, each of which ends with a complete line. A line shorter than its padding counts as torn."""
        found = cls()
        for path in paths:
            text = path.read_text(errors="replace")
            *lines, rest = text.split("\n")
            found.torn += [rest] if rest else []
            for line in lines:
                found._add(line, pad_bytes)
        return found

    def _add(self, line: str, pad_bytes: int) -> None:
        record = _RECORD.fullmatch(line)
        if record is None:
            self.torn.append(line)
            return
        name, padding = record["name"], record["padding"] or "/"
        # what died with its worker is logged from an activity of the scoreboard, which is short
        if pad_bytes and name and "-" in name and record["status"] != "killed" and len(padding) != pad_bytes + 1:
            self.torn.append(line)
            return
        if not name or "-" not in name:
            self.others.append(line)
        elif record["status"] == "killed":
            self.killed[name] += 1
        else:
            self.answered[name] += 1

    def check(self, report: Report) -> None:
        """Check that every answer has one line, that no line is torn, and that every line belongs to the load."""
        assert not self.torn, f"{len(self.torn)} lines are torn: {self.torn[:10]}"
        twice = [name for name, count in self.answered.items() if count > 1]
        assert not twice, f"{len(twice)} requests have more than one line: {twice[:10]}"
        answered, logged = set(report.names), set(self.answered)
        missing = answered - logged - set(self.killed)  # some were answered just before their worker was killed
        assert not missing, f"{len(missing)} answers have no line: {sorted(missing)[:10]}"
        asked = answered | {note["name"] for note in (*report.lost, *report.wrong)}
        strange = (logged | set(self.killed)) - asked
        assert not strange, f"{len(strange)} lines of requests that nobody made: {sorted(strange)[:10]}"
