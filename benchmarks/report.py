"""Owns the report of a run in Markdown: a table for each row of work, and one of the figures to reach.

It computes the ratios between servers from finished results. Called by `run`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .bench import Bench, Column, Metrics, Row
from .figures import FIGURES
from .recipes import OWN, TITLES
from .verdicts import judge

__all__ = ["charts", "figures_table", "ratios", "render", "row_table", "with_ratios"]


def with_ratios(results: Mapping[str, Metrics]) -> dict[str, Metrics]:
    """Return the row's results, with each server's CPU as a ratio to nginx's, granian's and the best Python peer's."""
    given = {name: dict(metrics) for name, metrics in results.items()}
    costs = {name: metrics["cpu_us"] for name, metrics in given.items() if "cpu_us" in metrics}
    peers = [cost for name, cost in costs.items() if name not in (*OWN, "nginx")]
    bases = {
        "cpu_nginx": costs.get("nginx"),
        "cpu_granian": costs.get("granian"),
        "cpu_best": min(peers, default=None),
    }
    for name, cost in costs.items():
        for metric, base in bases.items():
            if base:
                given[name][metric] = cost / base
    return given


def ratios(row: Row, results: Mapping[str, Metrics]) -> str:
    """Return one line with webpy's ratio to each other server in the metrics that the row compares; "" without both.

    For `rate`, more than 1 is better; for the others, which are costs, less.
    """
    own = next((name for name in OWN if name in results), None)
    if own is None:
        return ""
    parts = []
    for metric in row.compared:
        pairs = [
            f"{name} {results[own][metric] / metrics[metric]:.2f}"
            for name, metrics in results.items()
            if name != own and metric in results[own] and metrics.get(metric) and not math.isinf(metrics[metric])
        ]
        if pairs:
            parts.append(f"{metric.removesuffix('_us_low')}: {', '.join(pairs)}")
    return f"{row.name:18} {'; '.join(parts)}" if parts else ""


def _cell(metrics: Metrics, column: Column) -> str:
    if column.metric == "cpu_us_range" and "cpu_us_low" in metrics:
        return f"{metrics['cpu_us_low']:.2f}–{metrics['cpu_us_high']:.2f}"  # noqa: RUF001
    value = metrics.get(column.metric)
    if value is None:
        return ""
    return "∞" if math.isinf(value) else f"{value:,.{column.decimals}f}"


def _shortened(remark: str) -> str:
    """Return the remark on one line, shortened in the middle: the end of a traceback is the most useful part."""
    text = " ".join(remark.split())
    return text if len(text) <= 400 else f"{text[:120]} … {text[-270:]}"


def _table(headings: Sequence[str], lines: Iterable[Sequence[str]], left: int) -> str:
    """Return a table in Markdown. left: how many columns, from the first, are aligned left."""
    rule = ["---" if index < left else "---:" for index in range(len(headings))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, rule, *lines))


def row_table(row: Row, results: Mapping[str, Metrics]) -> str:
    """Return the table of a row: its servers, and those of its columns that any server has."""
    complete = with_ratios(results)
    columns = [c for c in row.columns if any(_cell(metrics, c) for metrics in complete.values())]
    if all(metrics.get("cpu_us_low") == metrics.get("cpu_us_high") for metrics in complete.values()):
        columns = [c for c in columns if c.metric != "cpu_us_range"]
    if not any(metrics.get("errors") for metrics in complete.values()):
        columns = [c for c in columns if c.metric != "errors"]
    lines = [
        [TITLES[name], *(_cell(complete[name], column) for column in columns)]
        for name in (*row.servers, "other")
        if name in complete
    ]
    return _table(["server", *(column.heading for column in columns)], lines, 1)


def figures_table(results: Mapping[str, Mapping[str, Metrics]]) -> str:
    """Return the table of all figures to reach, with what this run has measured."""
    lines = []
    for figure in FIGURES:
        verdict = judge(figure, results)
        if verdict is not None:
            lines.append([figure.work, figure.reach, verdict.measured, "yes" if verdict.reached else "**no**"])
    missing = len(FIGURES) - len(lines)
    note = (
        f"\n\n{missing} of the {len(FIGURES)} figures need rows or servers that were not in this run."
        if missing
        else ""
    )
    return (_table(["work", "figure to reach", "measured", "reached?"], lines, 4) + note) if lines else note.strip()


def charts(bench: Bench, rows: Iterable[Row]) -> dict[str, Any]:
    """Return for each row what a chart of it needs: the first metric that the row compares, for each server."""
    found: dict[str, Any] = {}
    for row in rows:
        metric = row.compared[0].removesuffix("_low")
        columns = [column for column in row.columns if column.metric == metric]
        results = bench.results.get(row.name, {})
        if columns and results:
            found[row.name] = {
                "title": row.title,
                "heading": columns[0].heading,
                "decimals": columns[0].decimals,
                "servers": [
                    {"title": TITLES[name].strip("*"), "value": metrics[metric], "own": name in OWN}
                    for name, metrics in results.items()
                    if math.isfinite(metrics.get(metric, math.inf))
                ],
            }
    return found


def render(bench: Bench, rows: Iterable[Row], preface: Sequence[str]) -> str:
    """Return the whole report: the preface, a table for each row with results or remarks, and the figures."""
    parts = ["# Benchmark", "\n".join(f"- {line}" for line in preface)]
    for row in rows:
        results = bench.results.get(row.name)
        remarks = bench.remarks.get(row.name, [])
        if not results and not remarks:
            continue
        parts.append(f"## {row.title}")
        if results:
            parts.append(row_table(row, results))
        if row.note:
            parts.append(row.note)
        if remarks:
            parts.append("\n".join(f"- {_shortened(remark)}" for remark in remarks))
    parts += ["## Figures to reach", figures_table(bench.results)]
    return "\n\n".join(parts) + "\n"
