"""Makes the tables of settings, from the schema. Called by `generate`."""

from __future__ import annotations

from collections.abc import Callable

from webpy.accesslog.atoms import ATOMS
from webpy.settings import OPTIONS, Option

__all__ = ["GROUPS", "atoms", "shown", "table_of"]

GROUPS = list(dict.fromkeys(option.group for option in OPTIONS.values() if option.ready))


def shown(option: Option) -> str:
    """Return the default of an option as a user would write it, "" if there is none."""
    value = "" if option.default is None else option.type.show(option.default)
    if isinstance(value, bool):
        return "on" if value else "off"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _row(option: Option) -> str:
    names = f"`{option.flag}`" + (f", `{option.short}`" if option.short else "")
    takes = (option.type.metavar or "").replace("|", ", ")
    default = f"`{shown(option)}`" if shown(option) else ""
    anchor = f'<span id="{option.name.replace("_", "-")}"></span>'
    return f"| {anchor}{names} | {takes} | {default} | {option.help} |"


def atoms() -> str:
    """Return the table of the atoms of access log formats."""
    return "\n".join(["| atom | |", "|---|---|", *(f"| `{atom}` | {what} |" for atom, what in ATOMS.items())])


def table_of(group: str) -> Callable[[], str]:
    """Return a function that returns the table of the settings of a group."""

    def table() -> str:
        rows = [_row(option) for option in OPTIONS.values() if option.ready and option.group == group]
        return "\n".join(["| option | takes | default | |", "|---|---|---|---|", *rows])

    return table
