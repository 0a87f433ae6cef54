"""Makes the tables of the order of mix-ins, from `webpy.framework.order` and the mix-ins. Called by `generate`."""

from __future__ import annotations

import importlib

from docs.hooks.modules import PAGES, address
from webpy.framework import order as rules

__all__ = ["of_rank", "order", "reasons"]


def of_rank(rank: rules.Rank | None) -> list[tuple[str, str]]:
    """Return (module, class) of the public mix-ins with a rank (None: without one); of HOST, of the handlers."""
    found = []
    last = "Handler" if rank is rules.Rank.HOST else "MixIn"
    for module in PAGES:
        loaded = importlib.import_module(module)
        for name in loaded.__all__:
            value = getattr(loaded, name)
            if isinstance(value, type) and name.endswith(last) and getattr(value, "mixin_rank", None) is rank:
                found.append((module, name))
    return found


def _title(rank: rules.Rank) -> str:
    return rank.name.replace("_", " ").lower()


def order() -> str:
    """Return the table of ranks, outermost first, with the classes of each."""
    lines = ["| place | | classes |", "|---:|---|---|"]
    for rank in (*rules.Rank, None):
        classes = ", ".join(f"[`{name}`]({address(module)}#{name.lower()})" for module, name in of_rank(rank))
        place, title = (rank.value, _title(rank)) if rank else ("any", "others")
        lines.append(f"| {place} | {title} | {classes} |")
    return "\n".join(lines)


def reasons() -> str:
    """Return the table of pairs whose order is enforced."""
    lines = ["| this | must stand before | because otherwise |", "|---|---|---|"]
    for (first, second), reason in rules._REASONS.items():
        lines.append(f"| {_title(first)} | {_title(second)} | {reason} |")
    lines.append(f"| everything | {_title(rules.Rank.HOST)} | {rules._OF_HOSTS} |")
    return "\n".join(lines)
