"""Owns options that have a new name: what a class sets under the old one still counts for one version, with a warning.

    class AuthMixIn(RenamedOptions, HTTPHandler):
        renamed_options = {"realm": "auth_realm"}       # old name to new
        auth_realm = "webpy"

A subclass that sets `realm` has set `auth_realm`, and so has a plain class beside the mix-in in a list of bases;
`self.realm` is read and written as `self.auth_realm`. A method that overrides an old name overrides the new one, and
`super()` finds the base's under either name. All of this is done when a class is made, so that a request costs no more
than before. Where a class sets both names, the new one counts without a warning: an application can run on both
versions.

What is not seen is an old name that is set on a class after it was made (`Notes.realm = "notes"`).

The features' mix-ins and handlers inherit from it; whatever loads a TARGET to serve or check it
calls `show_warnings`. Knows no feature.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

__all__ = ["RenamedOptions", "is_old_name", "show_warnings"]

_PACKAGE = __name__.partition(".")[0]


class RenamedOptions:
    """A base of classes some of whose options had other names; stands first in their lists of bases.

    Warns with DeprecationWarning, which names the old and the new name, when a class is made that sets an old one, and
    when an old one is read or set.
    """

    renamed_options: ClassVar[Mapping[str, str]] = {}
    """Old name to new. What a class's bases say holds for it too."""

    renamed_in_place: ClassVar[frozenset[str]] = frozenset()
    """Old names that count only in the class that sets them, and are not copied from a plain base to its subclass."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        names: dict[str, str] = {}
        for base in cls.__mro__:
            names.update(vars(base).get("renamed_options", {}))
        for old, new in names.items():
            _take_over(cls, old, new)
            setattr(cls, old, _OldName(cls, old, new))


def is_old_name(value: object) -> bool:
    """Return whether this is what stands in a class, in `vars(cls)`, under an old name."""
    return isinstance(value, _OldName)


def show_warnings() -> None:
    """Have these warnings printed on stderr, once for each place, unless Python was started with filters of its own.

    Python hides every DeprecationWarning outside of `__main__`, and TARGET is imported as another module.
    """
    if not sys.warnoptions:
        warnings.filterwarnings("default", _text(".+", ".+", ".+"), DeprecationWarning)


def _take_over(cls: type, old: str, new: str) -> None:
    """Set the new name in `cls` to what it, or a plain class among its bases, says under the old one."""
    for base in cls.__mro__:
        own = vars(base)
        if new in own:
            return
        if old in own and not isinstance(own[old], _OldName):
            _warn(base, old, new)
            if base is cls or old not in cls.renamed_in_place:  # type: ignore[attr-defined]
                setattr(cls, new, own[old])
            return


class _OldName:
    """What stands in a class under an old name: leads to the new one, from that class on upwards."""

    def __init__(self, level: type, old: str, new: str) -> None:
        self._level = level
        self._old = old
        self._new = new

    def __get__(self, instance: object, owner: type) -> Any:
        _warn(owner, self._old, self._new)
        mro = owner.__mro__
        for base in mro[mro.index(self._level) :]:
            if self._new in vars(base):
                value = vars(base)[self._new]
                if callable(value) and hasattr(value, "__get__"):
                    return value.__get__(instance, owner)  # the base's, for a method that was found by super()
                break
        return getattr(owner if instance is None else instance, self._new)

    def __set__(self, instance: object, value: Any) -> None:
        _warn(type(instance), self._old, self._new)
        setattr(instance, self._new, value)


def _text(owner: str, old: str, new: str) -> str:
    return f"{owner}.{old} is deprecated: {new} is its name now"


def _warn(owner: type, old: str, new: str) -> None:
    """Warn at the line of the application that made the class, or uses the name."""
    depth, frame = 1, sys._getframe(0)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        depth, frame = depth + 1, frame.f_back
    warnings.warn(_text(owner.__qualname__, old, new), DeprecationWarning, stacklevel=depth)
