"""CherryPy's names about JSON: see `webpy.objects.tools.content.jsontools`."""

from __future__ import annotations

from ..tools.content.jsontools import json_handler, json_in, json_out, json_processor

__all__ = ["json_handler", "json_in", "json_out", "json_processor"]
