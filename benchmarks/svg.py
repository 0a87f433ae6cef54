"""Owns the drawing of plots as text of SVG: lines over an axis of powers of ten, and bars. Knows no benchmark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Axis", "Bar", "Panel", "bars", "lines"]

WIDTH, LEFT, RIGHT = 720, 76, 44
OWN, PEER, MEDIAN, GRID, INK, MUTED = "#0b6e4f", "#9aa5b1", "#a8d5c2", "#e4e7eb", "#1f2933", "#616e7c"


@dataclass(slots=True, frozen=True)
class Axis:
    """The horizontal axis: its values and what is written at each."""

    title: str
    values: Sequence[float]
    labels: Sequence[str]


@dataclass(slots=True, frozen=True)
class Panel:
    """One of the diagrams above each other: its values, and others that are drawn paler."""

    title: str
    values: Sequence[float]
    paler: Sequence[float] = ()


@dataclass(slots=True, frozen=True)
class Bar:
    """A bar, what is written before it and behind it, and whether it is the one that the chart is about."""

    label: str
    value: float
    text: str
    own: bool = True


def _text(x: float, y: float, text: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'


def _page(height: float, title: str, subtitle: str, parts: Sequence[str]) -> str:
    """Return the file. It has a background of its own, so that it can be read on a dark page."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
            f'height="{height:.0f}" font-family="system-ui, sans-serif" font-size="12" fill="{INK}">',
            '<rect width="100%" height="100%" rx="6" fill="#fff"/>',
            _text(20, 28, title, 'font-size="16" font-weight="600"'),
            _text(20, 47, subtitle, f'fill="{MUTED}"'),
            *parts,
            "</svg>",
            "",
        ]
    )


def _ticks(least: float, most: float) -> list[float]:
    """Return round numbers from 0, or powers of ten if the values are far apart, that enclose the values."""
    if least > 0 and most / least > 50:
        return [10.0**power for power in range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)]
    size = 10 ** math.floor(math.log10(most)) if most > 0 else 1.0
    step = next(step * size / 10 for step in (1, 2, 2.5, 5, 10) if most <= 5 * step * size / 10 or step == 10)
    step = next((s for s in (step, 2 * step, 2.5 * step, 5 * step) if most <= 5 * s), step)
    return [step * number for number in range(math.ceil(most / step) + 1)]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == round(value) else f"{value:g}"


def lines(title: str, subtitle: str, axis: Axis, panels: Sequence[Panel]) -> str:
    """Return a diagram of lines; the horizontal axis has powers of ten, with 0 a step before the first."""
    smallest = min((value for value in axis.values if value > 0), default=1.0)
    places = [math.log10(value / smallest) if value > 0 else -1.0 for value in axis.values]
    span = max(places[-1] - places[0], 1e-9)
    xs = [LEFT + (place - places[0]) / span * (WIDTH - LEFT - RIGHT) for place in places]
    top, parts = 84.0, []
    for number, panel in enumerate(panels):
        height = 190.0 if number == 0 else 90.0
        shown = [*panel.values, *panel.paler]
        ticks = _ticks(min(shown), max(shown))
        logarithmic = ticks[0] > 0

        def at(value: float, low: float = ticks[0], high: float = ticks[-1], base: float = top + height) -> float:
            part = math.log(value / low) / math.log(high / low) if low > 0 else value / high
            return base - part * height  # noqa: B023

        parts.append(
            _text(20, top - 12, panel.title + (" (powers of ten)" if logarithmic else ""), 'font-weight="600"')
        )
        for tick in ticks:
            parts.append(f'<path d="M{LEFT} {at(tick):.1f}H{WIDTH - RIGHT}" stroke="{GRID}"/>')
            parts.append(_text(LEFT - 8, at(tick) + 4, _number(tick), f'text-anchor="end" fill="{MUTED}"'))
        for values, colour in ((panel.paler, MEDIAN), (panel.values, OWN)):
            if values:
                path = "L".join(f"{x:.1f} {at(value):.1f}" for x, value in zip(xs, values, strict=True))
                parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
                parts += [
                    f'<circle cx="{x:.1f}" cy="{at(value):.1f}" r="3.5" fill="{colour}"/>'
                    for x, value in zip(xs, values, strict=True)
                ]
        for x, label in zip(xs, axis.labels, strict=True):
            parts.append(_text(x, top + height + 17, label, f'text-anchor="middle" fill="{MUTED}" font-size="11"'))
        top += height + 56
    parts.append(_text(WIDTH - RIGHT, top - 20, axis.title, f'text-anchor="end" fill="{MUTED}"'))
    return _page(top - 8, title, subtitle, parts)


def bars(title: str, subtitle: str, given: Sequence[Bar]) -> str:
    """Return a chart of horizontal bars, with the value at the end of each."""
    most = max(bar.value for bar in given) or 1.0
    left, parts = 230, []
    for number, bar in enumerate(given):
        y = 66 + 28 * number
        length = bar.value / most * (WIDTH - left - 110)
        parts.append(
            _text(left - 10, y + 15, bar.label, 'text-anchor="end"' + (' font-weight="600"' if bar.own else ""))
        )
        colour = OWN if bar.own else PEER
        parts.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="20" rx="2" fill="{colour}"/>')
        parts.append(_text(left + length + 8, y + 15, bar.text, f'fill="{MUTED}"'))
    return _page(66 + 28 * len(given) + 16, title, subtitle, parts)
