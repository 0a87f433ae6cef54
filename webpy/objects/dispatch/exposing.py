"""Owns `expose`, which makes a function a page, and `popargs`, which takes parameters from segments of the path."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, overload

from ..process.serving import serving

__all__ = ["DISPATCH", "expose", "popargs"]

DISPATCH = "_cp_dispatch"
"""The name of the method with which an object resolves the rest of a path itself."""

Exposed = TypeVar("Exposed", bound=Callable[..., Any])
Names = str | Iterable[str]


@overload
def expose(func: Exposed, alias: Names | None = None) -> Exposed: ...
@overload
def expose(func: Names | None = None, alias: Names | None = None) -> Callable[[Exposed], Exposed]: ...
def expose(func: Any = None, alias: Names | None = None) -> Any:
    """Make a function, or each object of a class, a page; a decorator, with or without arguments.

    alias: more names for it in the same class; dots in them become underscores.

        @expose
        def index(self): ...

        @expose(["list", "all.html"])
        def items(self): ...
    """
    names_of_the_class = sys._getframe(1).f_locals

    def decorate(page: Any) -> Any:
        page.exposed = True
        for name in [alias] if isinstance(alias, str) else alias or ():
            names_of_the_class[name.replace(".", "_")] = page
        return page

    if isinstance(func, (types.FunctionType, types.MethodType, type)):
        return decorate(func)
    if func is not None:
        alias = func
    return decorate


def popargs(*names: str, handler: Any = None) -> Any:
    """Return a class decorator (or a value for `_cp_dispatch`) that takes segments of the path as named parameters.

    handler: continues with the rest of the path: an object, or a class or function that is called with the parameters
    and returns one; the decorated object itself if None.

        @popargs("year", "month")
        class Blog: ...                     # /2026/11/index has year="2026", month="11"
    """

    def dispatch(this: Any = None, vpath: list[str] | None = None) -> Any:
        if isinstance(this, type):
            setattr(this, DISPATCH, dispatch)
            return this
        vpath = [] if vpath is None else vpath
        found = {name: vpath.pop(0) for name in names[: len(vpath)]}
        if callable(handler):
            return handler(**found)
        serving.request.params.update(found)
        if handler is not None:
            return handler
        return getattr(this, vpath.pop(0), None) if vpath else this

    return dispatch
