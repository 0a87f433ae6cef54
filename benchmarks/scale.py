#!/usr/bin/env python3
"""Measures what a request of webpy costs as the work grows, and draws it: python3 benchmarks/scale.py --help."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

if __name__ == "__main__" and not __package__:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks import environment, machine, plots
from benchmarks.curves import CURVES, choose
from benchmarks.curves.curve import Curve, Effort, Point, shape, take
from benchmarks.servers import ServerError

__all__ = ["main"]


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks/scale.py",
        description="Measures what a request of webpy costs, in CPU time of all its processes, against what grows, "
        "with the memory beside it, and says which curves are flat. Points are measured in turn, round by round.",
        epilog=f"curves: {', '.join(curve.name for curve in CURVES)}",
    )
    parser.add_argument("--only", metavar="CURVE,…", help="only these curves")
    parser.add_argument("--seconds", type=float, default=0.3, help="length of a measurement (default 0.3)")
    parser.add_argument("--rounds", type=int, default=8, help="rounds, of which least and median count (default 8)")
    parser.add_argument("--most", type=float, default=float("inf"), metavar="N", help="leave points beyond N out")
    parser.add_argument("--python", default=sys.executable, metavar="PATH", help="interpreter of the server")
    parser.add_argument("--no-venv", action="store_true", help="use that interpreter as it is, with what it can import")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the points there; curves in it are kept")
    parser.add_argument("--plots", metavar="DIR", type=Path, help="write a plot in SVG for each curve there")
    parser.add_argument(
        "--table",
        metavar="FILE",
        type=Path,
        help="with --plots: what run.py has written with --json; also a chart for each of its rows",
    )
    parser.add_argument("--draw", action="store_true", help="measure nothing, draw what --json and --table have")
    return parser.parse_args(given)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _print(curve: Curve, points: list[Point]) -> None:
    """Print the table of a curve in Markdown, and its shape."""
    print(f"\n### {curve.title} (`{curve.name}`)\n")
    print(f"| {curve.axis} | least {curve.unit} | median | {curve.memory} |{' per MB |' if curve.per_mb else ''}")
    print(f"| --- | ---: | ---: | ---: |{' ---: |' if curve.per_mb else ''}")
    for point in points:
        per_mb = f" {point.least / point.value * 1e6:,.1f} |" if curve.per_mb and point.value else ""
        print(f"| {point.label} | {point.least:,.2f} | {point.median:,.2f} | {point.memory_mb:,.1f} |{per_mb}")
    word = shape(curve, points)
    why = f"\nWhy: {curve.cause}." if curve.cause and "flat" not in word else ""
    print(f"\n{curve.name}: {word}{why}", flush=True)


def main(given: list[str] | None = None) -> int:
    arguments = _arguments(given)
    try:
        curves = choose(arguments.only)
        if not arguments.draw:
            environment.provide_tools({"wrk", "taskset"}, _say)
            python = arguments.python if arguments.no_venv else environment.prepare_venv(arguments.python, _say)
    except (ValueError, environment.EnvironmentMissing) as error:
        _say(str(error))
        return 2
    found: dict[str, list[Point]] = {}
    if arguments.json and arguments.json.exists():
        found = {name: [Point(**point) for point in points] for name, points in _read(arguments.json).items()}
    if not arguments.draw:
        machine.raise_open_files()
        machine.end_orderly()
        os.sched_setaffinity(0, {machine.LOAD_CPU})
        with tempfile.TemporaryDirectory(prefix="bench-scale-") as folder:
            effort = Effort(arguments.seconds, arguments.rounds, arguments.most, python, Path(folder), _say)
            for curve in curves:
                began = time.monotonic()
                try:
                    points = take(curve, effort)
                except (ServerError, OSError) as error:
                    _say(f"{curve.name} left out: {error}")
                    continue
                if points:
                    found[curve.name] = points
                    _print(curve, points)
                    if arguments.json:
                        table = {name: [dataclasses.asdict(point) for point in them] for name, them in found.items()}
                        arguments.json.write_text(json.dumps(table, indent=1) + "\n")
                _say(f"{curve.name} took {time.monotonic() - began:.0f} s")
    if arguments.plots:
        arguments.plots.mkdir(parents=True, exist_ok=True)
        for curve in CURVES:
            if curve.name in found:
                plots.write_curve(arguments.plots, curve, found[curve.name])
        if arguments.table:
            plots.write_rows(arguments.plots, _read(arguments.table))
    return 0


def _read(path: Path) -> dict[str, Any]:
    table: dict[str, Any] = json.loads(path.read_text())
    return table


if __name__ == "__main__":
    sys.exit(main())
