"""Owns the values of a configuration file: Python expressions of literals, names of modules, attributes and calls.

Such a file is as trusted as the program's code. The name `cherrypy` in it stands for `webpy.objects`.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import operator
from typing import Any

__all__ = ["attribute", "evaluate"]

_CHERRYPY = "webpy.objects"

_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}


def evaluate(text: str) -> Any:
    """Return the value of an expression. Raises SyntaxError, TypeError for syntax that is not allowed here, ImportError
    for an unknown name, and whatever a call in it raises."""
    return _value(ast.parse(text.strip(), mode="eval").body) if text else text


def attribute(name: str) -> Any:
    """Return the object named by a dotted name (`package.module.function`). Raises ImportError or AttributeError."""
    module, _, last = name.rpartition(".")
    if module.partition(".")[0] == "cherrypy":
        module = _CHERRYPY + module.removeprefix("cherrypy")
    return getattr(importlib.import_module(module), last)


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return _named(name)
        case ast.Attribute(value=inner, attr=name):
            return _attribute(inner, name)
        case ast.Tuple(elts=members):
            return tuple(_value(member) for member in members)
        case ast.List(elts=members):
            return [_value(member) for member in members]
        case ast.Set(elts=members):
            return {_value(member) for member in members}
        case ast.Dict(keys=keys, values=values):
            return {_value(key): _value(value) for key, value in zip(keys, values, strict=True) if key is not None}
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left), _value(right))
        case ast.Subscript(value=inner, slice=key):
            return _value(inner)[_value(key)]
        case ast.Call(func=function, args=args, keywords=keywords):
            named = {keyword.arg: _value(keyword.value) for keyword in keywords if keyword.arg is not None}
            return _value(function)(*(_value(arg) for arg in args), **named)
    raise TypeError(f"{ast.unparse(node)!r} is not a literal, a name, an attribute or a call")


def _named(name: str) -> Any:
    try:
        return importlib.import_module(_CHERRYPY if name == "cherrypy" else name)
    except ImportError:
        if hasattr(builtins, name):
            return getattr(builtins, name)
        raise


def _attribute(inner: ast.expr, name: str) -> Any:
    parent = _value(inner)
    try:
        return getattr(parent, name)
    except AttributeError:  # a module of the package that has not been imported yet
        return importlib.import_module(f"{parent.__name__}.{name}")
