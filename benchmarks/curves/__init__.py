"""The curves of `benchmarks/scale.py`: what a request costs as the work grows in one direction."""

from __future__ import annotations

from . import bodies, counts, reloads, sessions
from .curve import Curve

__all__ = ["CURVES", "choose"]

CURVES: tuple[Curve, ...] = (*counts.CURVES, *bodies.CURVES, *sessions.CURVES, *reloads.CURVES)


def choose(only: str | None) -> list[Curve]:
    """Return the curves named in `only`, separated by commas; all if None. Raises ValueError for an unknown name."""
    names = [name.strip() for name in only.split(",")] if only else [curve.name for curve in CURVES]
    known = {curve.name: curve for curve in CURVES}
    for name in names:
        if name not in known:
            raise ValueError(f"no curve is called {name!r}; there are {', '.join(known)}")
    return [known[name] for name in names]
