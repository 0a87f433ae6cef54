"""Owns the rows of requests that a proxy forwards: hello, with fields that name the client.

`forwarded-1` against `hello-nolog` is what it costs that proxies are trusted, `forwarded-1k` against
`forwarded-1k-ignored` what it costs where clients differ. `bench` takes the measurements.
"""

from __future__ import annotations

from ..scenario import Scenario
from .loads import row

__all__ = ["ROWS"]

_TRUSTING = Scenario(options=("--forwarded-allow-ips", "127.0.0.1"))

ROWS = tuple(
    row(
        f"forwarded-{name}",
        f"Hello behind a proxy, {title} (64 connections)",
        ("webpy",),
        "/",
        scenario=scenario,
        script=script,
        argument=clients,
        quick=False,
        note=note,
    )
    for name, title, scenario, script, clients, note in (
        ("1", "one client", _TRUSTING, "forwarded.lua", 1, ""),
        ("1k", "1,000 clients at random", _TRUSTING, "forwarded.lua", 1000, ""),
        ("1k-ignored", "1,000 clients at random, nobody is trusted", Scenario(), "forwarded.lua", 1000, ""),
        ("1m", "1,000,000 clients at random", _TRUSTING, "forwarded.lua", 1_000_000, ""),
        (
            "nginx",
            "nginx's fields, 1,000,000 clients at random",
            _TRUSTING,
            "nginx.lua",
            1_000_000,
            "X-Real-IP, X-Forwarded-For and X-Request-ID: three fields that differ with nearly every request.",
        ),
    )
)
