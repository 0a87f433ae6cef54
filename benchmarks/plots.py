"""Owns the plots: a curve with its memory, and a row of `run.py` as bars, written as SVG files.

Called by `scale`. `svg` draws, this module says what.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import svg
from .curves.curve import Curve, Point, shape

__all__ = ["write_curve", "write_rows"]


def write_curve(folder: Path, curve: Curve, points: Sequence[Point]) -> None:
    """Write NAME.svg: the cost (least, and median behind it) above, the memory below."""
    title, subtitle = curve.title, f"{curve.unit}; {shape(curve, points)}"
    if curve.labels:
        bars = [svg.Bar(point.label, point.least, f"{point.least:,.1f} µs") for point in points]
        text = svg.bars(title, subtitle, bars)
    else:
        xs = [point.value for point in points]
        cost = svg.Panel(curve.unit, [point.least for point in points], [point.median for point in points])
        memory = svg.Panel(curve.memory, [point.memory_mb for point in points])
        text = svg.lines(title, subtitle, svg.Axis(curve.axis, xs, [point.label for point in points]), [cost, memory])
    (folder / f"{curve.name}.svg").write_text(text)


def write_rows(folder: Path, rows: Mapping[str, Any]) -> None:
    """Write row-NAME.svg for each row of run.py's --json: the metric that the row compares, a bar for each server."""
    for name, row in rows.items():
        bars = [
            svg.Bar(server["title"], server["value"], f"{server['value']:,.{row['decimals']}f}", server["own"])
            for server in row["servers"]
        ]
        if bars:
            (folder / f"row-{name}.svg").write_text(svg.bars(row["title"], row["heading"], bars))
