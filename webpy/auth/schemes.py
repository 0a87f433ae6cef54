"""Owns which methods of a class are authentication schemes: whoever can name one lets the world call it.

`schemes = ("key",)` in a class says what it offers, in place of all that its own bases say; classes that stand beside
each other in a list of bases offer what each of them says, in their order.

For classes of older programs, which declare nothing: `auth_<scheme>(self, token)` is a scheme as well. One that is not
registered is named in a warning, as it may be a helper; a method that does not look like one is refused.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator

__all__ = ["find_schemes"]

_PREFIX = "auth_"
#: IANA's registry of HTTP authentication schemes (RFC 9110 section 16.4.1), and Token, another name of Bearer
_REGISTERED = frozenset(
    {"basic", "bearer", "concealed", "digest", "dpop", "gnap", "hoba", "mutual", "negotiate", "oauth", "privatetoken"}
    | {"scram_sha_1", "scram_sha_256", "token", "vapid"}
)

_log = logging.getLogger("webpy")


def find_schemes(cls: type) -> tuple[str, ...]:
    """The schemes of a class, as the ends of its methods' names ("x_key" of `auth_x_key`), in the order of its bases.

    Raises TypeError for schemes that have no method, and for methods that may be one or not.
    """
    found: dict[str, None] = {}
    speakers: list[type] = []  # whose declaration stands in place of those of their bases
    for base in cls.__mro__:
        own = vars(base).get("schemes")
        if any(issubclass(speaker, base) for speaker in speakers):
            continue
        if own is not None:
            speakers.append(base)
            found.update(dict.fromkeys(_declared(cls, base, own)))
        else:
            found.update(dict.fromkeys(_undeclared(cls, base)))
    return tuple(name for name in found if callable(getattr(cls, _PREFIX + name, None)))


def _declared(cls: type, base: type, schemes: object) -> Iterator[str]:
    if isinstance(schemes, str) or not isinstance(schemes, (tuple, list)):
        raise TypeError(f"{base.__qualname__}: schemes is {schemes!r:.60}, wanted a tuple such as ('basic', 'token')")
    for scheme in schemes:
        if not isinstance(scheme, str):
            raise TypeError(f"{base.__qualname__}: schemes has {scheme!r:.60}, wanted a name such as 'basic'")
        name = scheme.lower().replace("-", "_")
        if not hasattr(cls, _PREFIX + name):
            raise TypeError(f"{base.__qualname__}: schemes names {scheme!r}, and there is no method {_PREFIX}{name}")
        yield name


def _undeclared(cls: type, base: type) -> Iterator[str]:
    """What `base` defines and nobody declares, if no class that it inherits from has a say of its own."""
    spoken = {scheme.lower().replace("-", "_") for other in cls.__mro__ for scheme in vars(other).get("schemes") or ()}
    inherits = any(vars(other).get("schemes") is not None and not _is_ours(other) for other in base.__mro__)
    for attribute, method in vars(base).items():
        name = attribute.removeprefix(_PREFIX)
        if not name or name == attribute or not attribute.islower() or not callable(method):
            continue
        if name in spoken or inherits:
            continue  # another's scheme, which this overrides; or a helper of a class that declares its schemes
        is_new = base is cls or not hasattr(base, "_schemes")  # else it was looked at when it was made
        if name not in _REGISTERED and is_new:
            _judge(base, attribute, method)
        yield name


def _is_ours(cls: type) -> bool:
    return cls.__module__.startswith(__package__ + ".")


def _judge(base: type, attribute: str, method: object) -> None:
    name = attribute.removeprefix(_PREFIX)
    advice = f"name the schemes of {base.__qualname__}, as in schemes = ({name!r},), or call a helper something else"
    try:
        parameters = list(inspect.signature(method).parameters)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        parameters = []
    if parameters[-1:] != ["token"] or len(parameters) != 2:
        raise TypeError(f"{base.__qualname__}.{attribute}: a scheme, or a helper? {advice}")
    _log.warning("%s.%s is taken for a scheme that clients may use: %s", base.__qualname__, attribute, advice)
