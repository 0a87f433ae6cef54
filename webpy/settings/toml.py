"""Prints the effective settings as TOML, each with where it came from. The text can be used as `webpy.toml`.

Called by `webpy config`.
"""

from __future__ import annotations

from .resolve import Resolved
from .schema import OPTIONS, Option

__all__ = ["shown_default", "to_toml"]


def to_toml(resolved: Resolved) -> str:
    """Return one line for each setting. Settings without a value, settings that this version does not support yet, and
    secrets, which are never shown, become comments."""
    rows: list[tuple[str, str] | str] = []
    group = ""
    for option in OPTIONS.values():
        if option.group != group:
            group = option.group
            rows.append(f"# {group}")
        rows.append(_row(option, resolved))
    width = max((len(row[0]) for row in rows if isinstance(row, tuple) and len(row[0]) <= 48), default=0)
    lines: list[str] = []
    for row in rows:
        if isinstance(row, str):
            lines += ["", row] if lines else [row]
        else:
            lines.append(f"{row[0]:<{width}}  # {row[1]}")
    return "\n".join(lines) + "\n"


def shown_default(option: Option) -> str:
    """Return the default as a user would type it; "" where there is none."""
    if option.default is None:
        return ""
    shown = option.type.show(option.default)
    return ",".join(str(item) for item in shown) if isinstance(shown, list) else str(shown)


def _row(option: Option, resolved: Resolved) -> tuple[str, str]:
    value = getattr(resolved.settings, option.name)
    source = resolved.sources[option.name]
    if option.secret and value is not None:
        return f'# {option.name} = "********"', source
    if not option.ready:
        source += "; not in this version"
    if value is None:
        return f"# {option.name} =", source
    line = f"{option.name} = {_toml(option.type.show(value))}"
    if not option.ready:
        return f"# {line}", source
    if option.name == "workers" and value == "auto":
        source += f"; {resolved.settings.worker_count()} here"
    return line, source


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, str):
        return _string(value)
    return repr(value)


def _string(value: str) -> str:
    """Return a basic string of TOML 1.0, with quotes, backslashes and control characters escaped.

    Bytes of a path that are not UTF-8 (surrogates here) cannot be written in TOML; they become U+FFFD.
    """
    escaped = []
    for char in value:
        if char in '"\\':
            escaped.append("\\" + char)
        elif char < " " or char == "\x7f":
            escaped.append(f"\\u{ord(char):04x}")
        else:
            escaped.append("\ufffd" if 0xD800 <= ord(char) <= 0xDFFF else char)
    return '"' + "".join(escaped) + '"'
