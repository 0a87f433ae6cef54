"""Owns templates with the syntax of `str.format`, whose values are escaped. Knows no files and no handlers."""

from __future__ import annotations

import html
import string
from collections.abc import Mapping
from typing import Any

__all__ = ["HTML", "fill"]


class HTML(str):
    """Text that is markup already, and is not escaped in a page."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


class _Escaping(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        if hasattr(value, "__html__") and not format_spec:
            return str(value.__html__())
        return html.escape(str(super().format_field(value, format_spec)))


_formatter = _Escaping()


def fill(template: str, values: Mapping[str, Any], name: str = "template") -> str:
    """Return the template with its fields replaced by the escaped values.

    name: what messages call the template. Raises ValueError that names a bad field, or a brace that is not doubled.
    """
    try:
        return _formatter.vformat(template, (), values)
    except (LookupError, AttributeError) as error:
        raise ValueError(f"{name}: no value for the field {error}; there are: {', '.join(values)}") from error
    except ValueError as error:
        raise ValueError(f"{name}: {error} (a brace that begins no field is written twice)") from error
