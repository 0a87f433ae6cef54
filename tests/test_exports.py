"""The public surface: every module's `__all__` is complete and importable, and `webpy`'s is INTERFACE.md's."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

import pytest

from tests.test_layers import MODULES

# INTERFACE.md's names under `import webpy as web`, as far as this release has them.
PUBLIC = {"HTTPError", "HTTPErrorHandler", "HTTPHandler", "HTTPHeaders", "HTTPServer", "host", "path"}

# Runs when imported, or is the command line itself: no surface of its own.
PROGRAMS = {module for module in MODULES if module.endswith("__main__")}

# Old places of names, which warn when they are imported.
DEPRECATED = {"webpy.response": "webpy.framework"}


def declared(path: Path) -> list[str] | None:
    """The module's `__all__` as it is written."""
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and ast.unparse(node).startswith("__all__") and node.value:
            value = ast.literal_eval(node.value)
            assert isinstance(value, list), f"{path}: __all__ is {type(value).__name__}, wanted a list"
            return value
    return None


# The command line gathers its commands for itself.
PACKAGES = {module for module, path in MODULES.items() if path.name == "__init__.py"} - {"webpy.cli"}


@pytest.mark.parametrize("module", sorted(set(MODULES) - PROGRAMS - set(DEPRECATED)))
def test_all_is_there_and_importable(module: str) -> None:
    names = declared(MODULES[module])
    assert names is not None, f"{module} has no __all__"
    assert len(names) == len(set(names)), f"{module}: a name stands twice in __all__"
    loaded = importlib.import_module(module)
    missing = [name for name in names if not hasattr(loaded, name)]
    assert not missing, f"{module}.__all__ names what it does not have: {missing}"


@pytest.mark.parametrize("module", sorted(PACKAGES))
def test_packages_list_what_they_gather(module: str) -> None:
    """What the __init__ of a package imports from its modules is for users: all of it is in `__all__`."""
    gathered: set[str] = set()
    for node in ast.parse(MODULES[module].read_bytes()).body:
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            gathered.update(a.asname or a.name for a in node.names if f"{module}.{a.name}" not in MODULES)
    gathered = {name for name in gathered if not name.startswith("_")}
    missing = gathered - set(declared(MODULES[module]) or [])
    assert not missing, f"{module}: not in __all__: {sorted(missing)}"


def test_the_public_list_is_the_interface() -> None:
    import webpy

    assert set(webpy.__all__) - {"__version__"} == PUBLIC


def test_star_import_gives_no_more() -> None:
    scope: dict[str, object] = {}
    exec("from webpy import *", scope)
    assert set(scope) - {"__builtins__", "__version__"} == PUBLIC


@pytest.mark.parametrize(("old", "new"), DEPRECATED.items())
def test_an_old_place_has_the_names_of_the_new_and_says_so(old: str, new: str) -> None:
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=f"{old} is deprecated: import .* from {new}"):
        module = importlib.import_module(old)
    assert {name: getattr(module, name) for name in module.__all__} == {
        name: getattr(importlib.import_module(new), name) for name in module.__all__
    }
