"""Decides by the status whether the server is ready for traffic. Pure; used by /readyz and the metrics."""

from __future__ import annotations

from typing import Any

__all__ = ["unready"]


def unready(status: dict[str, Any]) -> str:
    """Return why no traffic should be sent here, "" if it should.

    A server is ready while at least one worker accepts connections and it is neither starting nor stopping.
    """
    if status["stage"] != "running":
        return f"the server is {status['stage']}"
    if not any(worker["state"] == "ready" for worker in status["workers"]):
        return "no worker accepts connections"
    return ""
