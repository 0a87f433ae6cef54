"""Owns which methods of a class are authentication schemes, which every client may call by their name.

`auth_schemes = ("key",)` in a class says what it offers, in place of what its own bases say; classes that stand beside
each other in a list of bases offer what each of them says, in their order.

Classes of older programs declare nothing: there `auth_<scheme>(self, token)` is a scheme as well. If its name is not
registered, a warning is logged, as it may be a helper; a method that does not look like a scheme is refused.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator
from typing import Any

__all__ = ["find_schemes"]

_PREFIX = "auth_"
_OPTIONS = frozenset({"algorithms", "nonces", "realm", "schemes", "users"})  # names with the prefix that are no schemes
#: IANA's registry of HTTP authentication schemes (RFC 9110 section 16.4.1), and Token, another name of Bearer
_REGISTERED = frozenset(
    {"basic", "bearer", "concealed", "digest", "dpop", "gnap", "hoba", "mutual", "negotiate", "oauth", "privatetoken"}
    | {"scram_sha_1", "scram_sha_256", "token", "vapid"}
)

_log = logging.getLogger("webpy")


def find_schemes(cls: type) -> tuple[str, ...]:
    """Return the schemes of a class as the ends of its methods' names ("x_key" of `auth_x_key`), in order of its bases.

    Raises TypeError for schemes that have no method, and for methods of which it cannot tell whether they are schemes.
    """
    found: dict[str, None] = {}
    declaring: list[type] = []  # classes whose declaration replaces those of their bases
    for base in cls.__mro__:
        own = _declaration(base)
        if any(issubclass(other, base) for other in declaring):
            continue
        if own is not None:
            declaring.append(base)
            found.update(dict.fromkeys(_declared(cls, base, own)))
        else:
            found.update(dict.fromkeys(_undeclared(cls, base)))
    return tuple(name for name in found if callable(getattr(cls, _PREFIX + name, None)))


def _declaration(base: type) -> Any:
    """Return what `base` itself declares, None if it declares nothing; a plain class may do so under the old name."""
    own = vars(base)
    return own.get("auth_schemes", None if hasattr(base, "auth_schemes") else own.get("schemes"))


def _declared(cls: type, base: type, schemes: object) -> Iterator[str]:
    if isinstance(schemes, str) or not isinstance(schemes, (tuple, list)):
        wanted = "wanted a tuple such as ('basic', 'token')"
        raise TypeError(f"{base.__qualname__}: auth_schemes is {schemes!r:.60}, {wanted}")
    for scheme in schemes:
        if not isinstance(scheme, str):
            raise TypeError(f"{base.__qualname__}: auth_schemes has {scheme!r:.60}, wanted a name such as 'basic'")
        name = scheme.lower().replace("-", "_")
        if name in _OPTIONS or not hasattr(cls, _PREFIX + name):
            what = f"auth_schemes names {scheme!r}, and there is no method {_PREFIX}{name}"
            raise TypeError(f"{base.__qualname__}: {what}")
        yield name


def _undeclared(cls: type, base: type) -> Iterator[str]:
    """Yield the schemes that `base` defines and no class declares, unless an application's class above it declares."""
    declared = {scheme.lower().replace("-", "_") for other in cls.__mro__ for scheme in _declaration(other) or ()}
    inherits = any(_declaration(other) is not None and not _is_ours(other) for other in base.__mro__)
    for attribute, method in vars(base).items():
        name = attribute.removeprefix(_PREFIX)
        if not name or name == attribute or name in _OPTIONS or not attribute.islower() or not callable(method):
            continue
        if name in declared or inherits:
            continue  # overrides the scheme of another class; or is a helper of a class that declares its schemes
        is_new = base is cls or not hasattr(base, "_schemes")  # else it was judged when it was made
        if name not in _REGISTERED and is_new:
            _judge(base, attribute, method)
        yield name


def _is_ours(cls: type) -> bool:
    return cls.__module__.startswith(__package__ + ".")


def _judge(base: type, attribute: str, method: object) -> None:
    """Log a warning for a method that may be a scheme; raises TypeError for one that does not look like a scheme."""
    name = attribute.removeprefix(_PREFIX)
    advice = f"name the schemes of {base.__qualname__}, as in auth_schemes = ({name!r},), or rename a helper"
    try:
        parameters = list(inspect.signature(method).parameters)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        parameters = []
    if parameters[-1:] != ["token"] or len(parameters) != 2:
        raise TypeError(f"{base.__qualname__}.{attribute}: is it a scheme or a helper? {advice}")
    _log.warning("%s.%s is taken for a scheme that clients may use: %s", base.__qualname__, attribute, advice)
