"""`python -m webpy.cli` is the command `webpy`, for where no console script is installed."""

from __future__ import annotations

from . import main

__all__: list[str] = []

main(prog_name="webpy")
