"""Owns the mix-ins of a whole target: `mixins = (…)` beside `routes`, which stand before every answer.

    mixins = (RequestIDMixIn, SecurityMixIn)        # outermost first
    routes = {"/": Notes, **webpy.file.new("docs", "/docs")}

In the route table each handler is replaced by a subclass of it with the mix-ins in front, and so are the handlers that
answer where no route matches. All of this is done once, when the routes are compiled: without `mixins` a request costs
nothing, and with them what the same mix-ins cost in a handler's list of bases.

What a handler says itself counts: an option of a mix-in that a handler sets, such as `security_csp = None`, is the one
for this handler, and a mix-in that it inherits from, or that only sets options of features it has, is not put before
it. Where a mix-in and a handler would each decide the same with a method (who may log in), loading fails: otherwise one
of them would be left out without a word.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

from ..coroutines import coroutine_method
from ..errorhandler import HTTPErrorHandler
from ..handler import HTTPHandler
from ..order import Rank
from ..renaming import is_old_name

__all__ = ["check_mixins", "put_before"]

Handler = type[HTTPHandler]

_WANTED = "a tuple of mix-in classes, such as (RequestIDMixIn, CORSMixIn)"
_PACKAGE = __name__.partition(".")[0]
_HOOKS = ("__init__", "__init_subclass__")  # other names of this form are Python's
_OF_EVERY_HANDLER = frozenset(dir(HTTPHandler)) | {"renamed_options", "renamed_in_place"}


def check_mixins(given: Any) -> tuple[type, ...]:
    """Return the mix-ins as a tuple. Raises ValueError that names what is no mix-in."""
    if isinstance(given, type):
        raise ValueError(f"mixins: got the class {given.__qualname__}, wanted a tuple: ({given.__qualname__},)")
    if not isinstance(given, (tuple, list)):
        raise ValueError(f"mixins: got {given!r:.60}, wanted {_WANTED}")
    for mixin in given:
        if problem := _problem(mixin):
            raise ValueError(f"mixins: {problem}, wanted {_WANTED}")
        if given.count(mixin) > 1:
            raise ValueError(f"mixins: {mixin.__qualname__} is there twice, wanted each mix-in once")
        if name := coroutine_method(mixin, "check_continue", "get_body", "decode", "encode", "respond"):
            raise ValueError(f"mixins: {mixin.__qualname__}.{name} is an async def, wanted def")
    return tuple(given)


def _problem(mixin: Any) -> str:
    """Return why this is no mix-in, "" if it is one."""
    if not isinstance(mixin, type):
        return f"got {mixin!r:.60}"
    name = mixin.__qualname__
    if mixin is HTTPHandler or issubclass(mixin, HTTPErrorHandler) or getattr(mixin, "mixin_rank", None) is Rank.HOST:
        return f"got {name}, which answers by itself"
    own = (each for each in dir(mixin) if each.startswith("do_") and each.islower())
    if method := next((each for each in own if getattr(mixin, each) is not getattr(HTTPHandler, each, None)), ""):
        return f"got {name}, which answers {method[3:].upper()} by itself"
    if mixin.__module__ == "builtins":
        return f"got the class {name}"
    return ""


def put_before(mixins: tuple[type, ...], handler: Handler) -> Handler:
    """Return the handler with those mix-ins in front that it does not have. Raises ValueError if they cannot stand
    there, such as for a wrong order."""
    missing = tuple(mixin for mixin in mixins if not _has(handler, mixin))
    if not missing:
        return handler
    names = {"__module__": handler.__module__, "__qualname__": handler.__qualname__, "__doc__": handler.__doc__}
    members = {**names, **dict(_own_options(handler, missing))}
    try:
        made = types.new_class(handler.__name__, (*missing, handler), {}, lambda space: space.update(members))
    except (TypeError, ValueError) as error:
        listed = ", ".join(mixin.__qualname__ for mixin in missing)
        hint = ""
        if f": {handler.__name__} must stand" in str(error):
            own = ", ".join(cls.__name__ for cls in _features(handler))
            hint = f"; move {own} from its bases into mixins: options that it sets still count for it"
        raise ValueError(f"mixins: {listed} cannot stand before {handler.__qualname__}: {error}{hint}") from None
    mro = made.__mro__
    for mixin in missing:
        behind = {cls for cls in mixin.__mro__ if cls not in handler.__mro__} & {*mro[mro.index(handler) :]}
        if behind:
            both = next(cls for cls in mixin.__mro__ if cls in handler.__mro__).__qualname__
            raise ValueError(
                f"mixins: {mixin.__qualname__} cannot stand before {handler.__qualname__}, which has {both}, a part of "
                f"it: list the parts in mixins, or leave {both} out of {handler.__qualname__}"
            )
    return made


def _has(handler: Handler, mixin: type) -> bool:
    """Return whether a handler has a mix-in, or all features that this one only sets the options of.

    Raises ValueError if both have a method that decides the same for a feature.
    """
    if issubclass(handler, mixin):
        return True
    added = [cls for cls in mixin.__mro__ if cls not in handler.__mro__]
    shared = [cls for cls in mixin.__mro__ if cls in handler.__mro__ and cls not in HTTPHandler.__mro__]
    for cls in added:
        for name in _methods(cls) - _OF_EVERY_HANDLER if cls.__module__.partition(".")[0] != _PACKAGE else ():
            if both := next((each for each in shared if name in vars(each)), None):
                raise ValueError(
                    f"mixins: {mixin.__qualname__} cannot stand before {handler.__qualname__}, which has "
                    f"{both.__qualname__} itself: {cls.__qualname__}.{name} would replace that of "
                    f"{handler.__qualname__}; make it a subclass of {mixin.__qualname__}, and it keeps its own"
                )
    features = _features(mixin)
    only_options = bool(features) and not any(_methods(cls) for cls in added)
    return only_options and all(issubclass(handler, each) for each in features)


def _features(cls: type) -> list[type]:
    """Return the classes in which the features of a mix-in, or those that a handler has, are written."""
    return [base for base in cls.__mro__ if isinstance(vars(base).get("mixin_rank"), Rank)]


def _methods(cls: type) -> set[str]:
    """Return the names of what a class has beside data."""
    return {
        name
        for name, value in vars(cls).items()
        if not (_is_data(value) or is_old_name(value)) and (name[:2] != "__" or name in _HOOKS)
    }


def _own_options(handler: Handler, mixins: tuple[type, ...]) -> Iterator[tuple[str, Any]]:
    """Yield the options of the mix-ins that the handler sets itself: data, never methods."""
    for mixin in mixins:
        for name in {name for cls in mixin.__mro__ for name in vars(cls)} - _OF_EVERY_HANDLER:
            setter = next((cls for cls in handler.__mro__ if name in vars(cls)), None)
            if name[0] == "_" or setter is None or setter in mixin.__mro__:
                continue
            own = vars(setter)[name]
            if _is_data(own) and _is_data(next(vars(cls)[name] for cls in mixin.__mro__ if name in vars(cls))):
                yield name, own


def _is_data(value: Any) -> bool:
    return not callable(value) and not hasattr(value, "__get__")
