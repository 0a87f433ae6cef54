"""Owns `Object`, the dict that an object of JSON becomes, and what the types of JSON are called in messages."""

from __future__ import annotations

from typing import Any, TypeVar, overload

from ..framework.fields import ABSENT, MissingField, wrong_type

__all__ = ["Object", "is_kind", "kind_words"]

T = TypeVar("T")
D = TypeVar("D")

_KINDS: dict[type, str] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    type(None): "null",
}


class Object(dict[str, Any]):
    """An object of JSON: a dict that answers 400 for a name that the handler asks for and the client did not send."""

    __slots__ = ()

    def __missing__(self, name: object) -> Any:
        raise MissingField("JSON", name)

    def pop(self, name: str, default: Any = ABSENT) -> Any:
        """Do what dict.pop does; without a default a missing name raises as `self[name]` does."""
        return super().pop(name, default) if default is not ABSENT or name in self else self.__missing__(name)

    @overload
    def field(self, name: str, kind: type[T]) -> T: ...
    @overload
    def field(self, name: str, kind: type[T], default: D) -> T | D: ...
    def field(self, name: str, kind: type[Any], default: Any = ABSENT) -> Any:
        """Return the value of `name`, which must be a `kind`: dict, list, str, int, float (whole numbers too), bool.

        Raises HTTPError 400, which says the name, if the value is of another kind, or if it is missing and there is no
        `default`.
        """
        if default is not ABSENT and name not in self:
            return default
        value = self[name]
        if not is_kind(value, kind):
            raise wrong_type("JSON", name, value, kind_words(kind))
        if kind is float:
            try:
                return float(value)
            except OverflowError:  # of an integer
                raise wrong_type("JSON", name, "a number beyond a float's range", kind_words(kind)) from None
        return value


def is_kind(value: object, kind: type) -> bool:
    """Return isinstance(value, kind), except that true and false are not numbers, and whole numbers are floats too."""
    if isinstance(value, bool):
        return kind in (bool, object)
    return isinstance(value, (int, float) if kind is float else kind)


def kind_words(kind: type) -> str:
    """Return what a type is called in a message: "an object" for dict."""
    return _KINDS.get(dict if kind is Object else kind, kind.__name__)
