"""The access log's lines: common, combined, json, or a template of gunicorn's atoms (`--access-format`).

`format` compiles a format and makes the lines, `atoms` knows what a template may hold, `escaping` keeps a line one line
whatever a client sent, `stamps` writes times. The lines reach the log through the scoreboard's rings
(`webpy.supervisor.logs`), of which nothing is known here.
"""

from __future__ import annotations

from .atoms import ATOMS, HeadFacts
from .format import AccessFormat, LineWriter, compile_format

__all__ = ["ATOMS", "AccessFormat", "HeadFacts", "LineWriter", "compile_format"]
