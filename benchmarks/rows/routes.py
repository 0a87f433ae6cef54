"""Owns the rows of the route table: the last of 1, 100 and 1,000 regexes, and a path that none of them matches."""

from __future__ import annotations

from ..scenario import Scenario
from .loads import row

__all__ = ["ROWS", "table"]


def table(count: int, name: str = "routes") -> Scenario:
    """Return the conditions of a table of so many routes. name: of the table in `apps.webpy_routes`."""
    return Scenario(routes=f"benchmarks.apps.webpy_routes:{name}", environment=(("BENCH_ROUTES", str(count)),))


NOTE = "700 bytes of head, none of which comes twice."
ROWS = (
    *(
        row(
            f"route-{count}",
            f"The last of {count:,} regex routes, log off (64 clients)",
            ("webpy",),
            "/last/",
            scenario=table(count),
            script="varied.lua",
            note=NOTE,
            quick=count != 100,
        )
        for count in (1, 100, 1000)
    ),
    *(
        row(
            f"route-404-{count}",
            f"A path that none of {count:,} regex routes matches, log off (64 clients)",
            ("webpy",),
            "/none/",
            scenario=table(count),
            script="varied.lua",
            refused=True,
            quick=count > 1,
            note=NOTE,
        )
        for count in (1, 1000)
    ),
)
