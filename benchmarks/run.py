#!/usr/bin/env python3
"""Measures webpy beside nginx and the Python servers and prints Markdown: python3 benchmarks/run.py --help."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import tempfile
import time
from pathlib import Path

if __name__ == "__main__" and not __package__:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks import environment, machine, report
from benchmarks.bench import Bench
from benchmarks.recipes import RECIPES
from benchmarks.rows import ROWS, choose

__all__ = ["main"]

SERVERS = [name for name in RECIPES if name != "other"]
QUICK_SERVERS = ["webpy", "wsgi", "nginx", "granian"]


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks/run.py",
        description="Measures webpy beside nginx and the Python servers, in alternation, the server pinned to one "
        "CPU and wrk to another, and prints tables and the figures to reach as Markdown.",
        epilog=f"rows: {', '.join(row.name for row in ROWS)}; servers: {', '.join(SERVERS)}",
    )
    parser.add_argument("--only", metavar="ROW,…", help="only these rows; `hello` means every hello-…")
    parser.add_argument("--peers", metavar="SERVER,…", help="only these servers, webpy among them if it is to be there")
    parser.add_argument("--seconds", type=float, help="length of a measure (default 2)")
    parser.add_argument("--rounds", type=int, help="rounds over all servers, of which the median counts (default 3)")
    parser.add_argument("--python", default=sys.executable, metavar="PATH", help="interpreter of every Python server")
    parser.add_argument("--no-venv", action="store_true", help="use that interpreter as it is, with what it can import")
    short = parser.add_mutually_exclusive_group()
    short.add_argument(
        "--quick",
        action="store_true",
        help="3 minutes at most, and only ratios, a line a row: before and after a change",
    )
    short.add_argument("--smoke", action="store_true", help="0.3 s, one round, fewer connections: to see that it works")
    parser.add_argument("--against", metavar="DIR", type=Path, help="also webpy of that other checkout, in turn")
    parser.add_argument("--output", metavar="FILE.md", type=Path, help="write the report there too")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write there what scale.py makes charts of")
    return parser.parse_args(given)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(given: list[str] | None = None) -> int:
    arguments = _arguments(given)
    default = QUICK_SERVERS if arguments.quick else SERVERS
    names = [name.strip() for name in arguments.peers.split(",")] if arguments.peers else default
    if unknown := [name for name in names if name not in SERVERS]:
        _say(f"no server is called {unknown[0]!r}; there are {', '.join(SERVERS)}")
        return 2
    try:
        rows = choose(arguments.only, quick=arguments.quick)
        environment.provide_tools({"wrk", "taskset", "openssl", *names}, _say)
        python = arguments.python if arguments.no_venv else environment.prepare_venv(arguments.python, _say)
    except (ValueError, environment.EnvironmentMissing) as error:
        _say(str(error))
        return 2
    there = environment.usable(python, names)
    if arguments.against:
        RECIPES["other"].checkout = arguments.against.resolve()
        there.append("other")
    for name in names:
        if name not in there:
            _say(f"{name} left out: it is not installed")
    machine.raise_open_files()
    machine.end_orderly()
    os.sched_setaffinity(0, {machine.LOAD_CPU})
    began, load_before = time.monotonic(), machine.load_average()
    with tempfile.TemporaryDirectory(prefix="bench-static-") as folder:
        Path(folder).chmod(0o755)
        static = Path(folder, "static")  # the path below which all servers have it
        static.mkdir()
        for name, size in (("1k", 1 << 10), ("64k", 64 << 10), ("1m", 1 << 20), ("4m", 4 << 20)):
            (static / name).write_bytes(os.urandom(size))
        bench = Bench(
            python=python,
            seconds=arguments.seconds or (0.3 if arguments.smoke else 0.25 if arguments.quick else 2.0),
            rounds=arguments.rounds or (1 if arguments.smoke else 3),
            peers=frozenset(there),
            static=static,
            smoke=arguments.smoke,
            brief=arguments.smoke or arguments.quick,
            quick=arguments.quick,
        )
        try:
            for row in rows:
                measured = bench.names(row)
                alone = len(measured) == 1 and arguments.quick  # there is no ratio of one
                if not alone and set(measured) & set(row.servers):
                    if not arguments.quick:
                        _say(f"{row.name} (after {time.monotonic() - began:.0f} s)")
                    row.run(bench, row)
                    if arguments.quick and (line := report.ratios(row, bench.results.get(row.name, {}))):
                        print(line, flush=True)
        except KeyboardInterrupt:
            _say("interrupted; what there is:")
        finally:
            bench.close()
    if arguments.json:
        arguments.json.write_text(json.dumps(report.charts(bench, rows), indent=1) + "\n")
    took = time.monotonic() - began
    if arguments.quick:
        _say(f"{took:.0f} s; webpy's figure divided by the other's: less is better, for `rate` more")
        return 0
    pinned = f"servers on CPU {machine.SERVER_CPU}, wrk on CPU {machine.LOAD_CPU}"
    words = " ".join(["python3 benchmarks/run.py", *(sys.argv[1:] if given is None else given)])
    preface = [
        f"{datetime.date.today():%-d %B %Y}; {machine.describe()}; {pinned}",
        environment.versions(python, there),
        f"`{words}`: medians of {bench.rounds} rounds of {bench.seconds:g} s in alternation; {took / 60:.1f} minutes",
        "CPU time is user and system time of all the server's processes",
    ]
    if load_before > 0.7:
        preface.append(f"OTHER WORK WAS RUNNING: load average {load_before:.1f} at the start; the numbers are noisy")
    text = report.render(bench, rows, preface)
    print(text)
    if arguments.output:
        arguments.output.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
