"""Configuration: entries such as `tools.gzip.on` by path, and what acts on them.

`reading` takes them from dicts and files, whose values `literal` evaluates; `namespaces` passes them to the functions
that they are for; `config` is the global configuration.
"""

from __future__ import annotations

__all__: list[str] = []
