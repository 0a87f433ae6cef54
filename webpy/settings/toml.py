"""The effective settings as TOML, each with where it came from. What it gives can be used as `webpy.toml`.

Called by `webpy config`.
"""

from __future__ import annotations

from .resolve import Resolved
from .schema import OPTIONS, Option

__all__ = ["shown_default", "to_toml"]


def to_toml(resolved: Resolved) -> str:
    """One line for each setting. A comment instead of a setting: what has no value, what this version does not do
    yet, and secrets, which are never shown."""
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
    """The default as a user would type it; empty where there is none, or help says it."""
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
    """A basic string (TOML 1.0): quotes, backslashes and control characters are escaped. Bytes of a path that are no
    UTF-8 (surrogates here) cannot stand in TOML; they become U+FFFD."""
    escaped = []
    for char in value:
        if char in '"\\':
            escaped.append("\\" + char)
        elif char < " " or char == "\x7f":
            escaped.append(f"\\u{ord(char):04x}")
        else:
            escaped.append("\ufffd" if 0xD800 <= ord(char) <= 0xDFFF else char)
    return '"' + "".join(escaped) + '"'
