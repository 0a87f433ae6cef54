"""Owns the rows of hello through WSGI: a bare function, Falcon, Flask, Django."""

from __future__ import annotations

from ..scenario import Scenario
from .loads import row

__all__ = ["ROWS"]

FRAMEWORKS = (("bare", "app"), ("falcon", "falcon"), ("flask", "flask"), ("django", "django"))
SERVERS = ("wsgi", "granian", "gunicorn", "bjoern", "fastwsgi")
ROWS = tuple(
    row(
        f"wsgi-{name}",
        f"Hello through WSGI, {'a bare function' if name == 'bare' else name.capitalize()}, log off (64 clients)",
        SERVERS,
        "/",
        scenario=Scenario(routes=f"benchmarks.apps.wsgi_{module}:app", wsgi=f"benchmarks.apps.wsgi_{module}:app"),
    )
    for name, module in FRAMEWORKS
)
