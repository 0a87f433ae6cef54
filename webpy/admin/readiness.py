"""Whether the server is ready for traffic, by its status. Pure; for /readyz and the metrics."""

from __future__ import annotations

from typing import Any

__all__ = ["unready"]


def unready(status: dict[str, Any]) -> str:
    """Why no traffic should be sent here, "" if it should: a worker accepts, and nothing is booting or stopping."""
    if status["stage"] != "running":
        return f"the server is {status['stage']}"
    if not any(worker["state"] == "ready" for worker in status["workers"]):
        return "no worker accepts connections"
    return ""
