"""The rows of the benchmark, in the order of the report."""

from __future__ import annotations

from ..bench import Row
from . import beside, bodies, connections, forwarded, recovery, routes, throughput, wsgi

__all__ = ["ROWS", "choose"]

ROWS: tuple[Row, ...] = (
    *throughput.ROWS,
    *bodies.ROWS,
    *forwarded.ROWS,
    *routes.ROWS,
    *wsgi.ROWS,
    *beside.ROWS,
    *connections.ROWS,
    *recovery.ROWS,
)


def choose(only: str | None, *, quick: bool = False) -> list[Row]:
    """Return the rows named in `only`, by name or by the part before a hyphen: `hello,wait-5`.

    If it is None, all, or those of a quick run.

    Raises ValueError for an unknown name.
    """
    if only is None:
        return [row for row in ROWS if row.quick or not quick]
    wanted = [name.strip() for name in only.split(",") if name.strip()]
    for name in wanted:
        if not any(row.name == name or row.name.startswith(name + "-") for row in ROWS):
            raise ValueError(f"no row is called {name!r}; there are {', '.join(row.name for row in ROWS)}")
    return [row for row in ROWS if any(row.name == name or row.name.startswith(name + "-") for name in wanted)]
