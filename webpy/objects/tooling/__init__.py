"""The machinery of tools, as CherryPy's `_cptools` offers it to programs that make tools of their own.

`hooks` are the callables that a request runs at its points, `tool` and `kinds` attach one where the configuration says
so, `toolbox` has the tools of one namespace. The built-in tools are in `webpy.objects.tools`.
"""

from __future__ import annotations

from .kinds import ErrorTool, HandlerTool, HandlerWrapperTool
from .tool import Tool
from .toolbox import Toolbox, default_toolbox

__all__ = ["ErrorTool", "HandlerTool", "HandlerWrapperTool", "Tool", "Toolbox", "default_toolbox"]
