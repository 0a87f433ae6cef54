#!/usr/bin/env python3
"""Puts a run into the documentation: python3 benchmarks/publish.py --help.

Owns what stands between the markers of docs/benchmarks.md and README.md, and the plots in docs/benchmarks/. Measures
nothing: `run.py` and `scale.py` have written what it reads.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

if __name__ == "__main__" and not __package__:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks import plots
from benchmarks.curves import CURVES
from benchmarks.curves.curve import Point
from benchmarks.rows import ROWS

__all__ = ["between", "main", "ratios_table"]

ROOT = Path(__file__).resolve().parent.parent
#: rows of the table in the README, and what it calls them
SHORT = {
    "hello-nolog": "hello, access log off",
    "hello-log": "hello, access log on",
    "hello-varied-nolog": "hello as browsers ask for it",
    "tls": "hello under TLS",
    "post": "POST of 20 KB",
    "wait-5": "handlers that wait 5 ms",
    "static-64k": "a file of 64 KB",
}
PEERS = {"nginx": "nginx", "granian": "granian (WSGI)", "gunicorn": "gunicorn (gthread)", "uvicorn": "uvicorn"}
CPU = "CPU µs/request"


def between(text: str, name: str, new: str) -> str:
    """Return the text with `new` between `<!-- NAME: begin -->` and its end. Raises ValueError if they are missing."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"wanted {begin!r} and {end!r}, once each")
    return text[: text.index(begin)] + f"{begin}\n\n{new.strip()}\n\n" + text[text.index(end) :]


def ratios_table(rows: Mapping[str, Any]) -> str:
    """Return the table of webpy's CPU time divided by each peer's, from what run.py has written with --json."""
    lines = [f"| | {' | '.join(PEERS.values())} |", f"|---|{'---:|' * len(PEERS)}"]
    for name, words in SHORT.items():
        row = rows.get(name)
        if row is None or row["heading"] != CPU:
            continue
        costs = {server["title"]: server["value"] for server in row["servers"]}
        own = costs.get("webpy")
        found = [
            next((cost for title, cost in costs.items() if title.startswith(peer) and cost), None) for peer in PEERS
        ]
        if own is not None and any(found):
            cells = ["" if cost is None else f"{own / cost:.2f}" for cost in found]
            lines.append(f"| {words} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _report(text: str) -> str:
    """Return run.py's report without its title, as a part of a page."""
    return re.sub(r"\A# .*\n+", "", text)


def _plots_list(folder: Path) -> str:
    """Return the plots as images, each with its title as text: first the curves, then the rows beside other servers."""
    titles = {curve.name: curve.title for curve in CURVES} | {f"row-{row.name}": row.title for row in ROWS}
    names = sorted((path.stem for path in folder.glob("*.svg")), key=lambda name: (name.startswith("row-"), name))
    return "\n\n".join(f"![{titles.get(name, name)}](benchmarks/{name}.svg)" for name in names)


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks/publish.py",
        description="Puts a run into docs/benchmarks.md (tables and plots) and README.md (ratios), between their "
        "markers. What is not given stays as it is.",
    )
    parser.add_argument("--report", metavar="FILE.md", type=Path, help="what run.py has written with --output")
    parser.add_argument("--table", metavar="FILE", type=Path, help="what run.py has written with --json")
    parser.add_argument("--points", metavar="FILE", type=Path, help="what scale.py has written with --json")
    parser.add_argument("--root", metavar="DIR", type=Path, default=ROOT, help="the checkout (default: this one)")
    return parser.parse_args(given)


def main(given: list[str] | None = None) -> int:
    arguments = _arguments(given)
    page, readme = arguments.root / "docs" / "benchmarks.md", arguments.root / "README.md"
    folder = arguments.root / "docs" / "benchmarks"
    if not (arguments.report or arguments.table or arguments.points):
        print("nothing to publish: give --report, --table or --points", file=sys.stderr)
        return 2
    try:
        if arguments.report:
            page.write_text(between(page.read_text(), "run", _report(arguments.report.read_text())))
        folder.mkdir(exist_ok=True)
        if arguments.table:
            rows = json.loads(arguments.table.read_text())
            readme.write_text(between(readme.read_text(), "ratios", ratios_table(rows)))
            plots.write_rows(folder, rows)
        if arguments.points:
            found = json.loads(arguments.points.read_text())
            for curve in CURVES:
                if curve.name in found:
                    plots.write_curve(folder, curve, [Point(**point) for point in found[curve.name]])
        page.write_text(between(page.read_text(), "plots", _plots_list(folder)))
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
