"""TARGET, the application to serve: `spec` reads its text, `importing` imports it, `kind` and `target` identify it."""

from __future__ import annotations

__all__: list[str] = []
