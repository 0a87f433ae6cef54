"""Which handler answers: keys of routes, and the table that finds the first that matches.

`routes` is the table, which `prefixes` keeps fast; `templates` and their `converters` are keys beside regexes; `hosts`
are routes for one host. `review` says which routes can never answer.
"""

from __future__ import annotations

__all__: list[str] = []
