"""No function takes more than five parameters, unless a comment at it says why."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.test_layers import MODULES, ROOT

MAX_PARAMETERS = 5

OVER: set[str] = set()
"""Functions that have more and are still to be cut, as `module:qualified.name`. It only gets smaller."""

_REASON = re.compile(r"# parameters: \S")

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(node: ast.AST, outer: str = "", of_class: bool = False) -> Iterator[tuple[str, _Function, bool]]:
    """Yield each function within `node`: its qualified name, the function, and whether it is a method."""
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, _Function):
            yield outer + inner.name, inner, of_class
            yield from functions(inner, f"{outer}{inner.name}.")
        elif isinstance(inner, ast.ClassDef):
            yield from functions(inner, f"{outer}{inner.name}.", True)
        else:
            yield from functions(inner, outer, of_class)


def parameter_count(function: _Function, is_method: bool) -> int:
    """Return how many parameters a caller can give; `*args` and `**keywords` are not counted."""
    arguments = function.args
    count = len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs)
    is_static = any(isinstance(each, ast.Name) and each.id == "staticmethod" for each in function.decorator_list)
    return count - 1 if is_method and not is_static else count


def has_reason(function: _Function, lines: list[str]) -> bool:
    """Return whether the line of the `def`, or the line above it or above its decorators, gives a reason."""
    first = min([function.lineno, *(each.lineno for each in function.decorator_list)])
    return any(_REASON.search(lines[number - 1]) for number in (function.lineno, function.lineno - 1, first - 1))


def over(source: str) -> Iterator[tuple[str, int]]:
    """Yield the name and the line of each function with too many parameters and no reason."""
    lines = source.splitlines()
    for name, function, is_method in functions(ast.parse(source)):
        if parameter_count(function, is_method) > MAX_PARAMETERS and not has_reason(function, lines):
            yield name, function.lineno


def test_functions_have_at_most_five_parameters() -> None:
    found = {
        f"{module}:{name}": f"{path.relative_to(ROOT)}:{line}: {name}"
        for module, path in MODULES.items()
        for name, line in over(path.read_text())
    }
    assert set(found) == OVER, "\n".join(["not in OVER, or no longer over:", *found.values(), *(OVER - set(found))])


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def f(a, b, c, d, e): ...", []),
        ("def f(a, b, c, d, e, /, f): ...", ["f"]),
        ("def f(a, b, c, *, d, e, f): ...", ["f"]),
        ("def f(a, b, c, d, e, *args, **keywords): ...", []),
        ("async def f(a, b, c, d, e, g): ...", ["f"]),
        ("class C:\n    def f(self, a, b, c, d, e): ...", []),
        ("class C:\n    @staticmethod\n    def f(self, a, b, c, d, e): ...", ["C.f"]),
        ("class C:\n    if True:\n        def f(self, a, b, c, d, e, f): ...", ["C.f"]),
        ("def f():\n    def g(a, b, c, d, e, f): ...", ["f.g"]),
        ("# parameters: they are CherryPy's\ndef f(a, b, c, d, e, g): ...", []),
        ("# parameters: they are CherryPy's\n@cache\ndef f(a, b, c, d, e, g): ...", []),
        ("@cache\ndef f(a, b, c, d, e, g): ...  # parameters: one a column", []),
        ("# parameters:\ndef f(a, b, c, d, e, g): ...", ["f"]),
        ("# parameters: far away\n\ndef f(a, b, c, d, e, g): ...", ["f"]),
    ],
)
def test_how_they_are_counted(source: str, names: list[str]) -> None:
    assert [name for name, _ in over(source)] == names
