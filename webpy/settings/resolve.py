"""Merges the sources of settings and remembers where each value came from.

Precedence: command line, environment, file, keywords of `HTTPServer` (the program's own values, which the operator may
override), the platform's PORT and WEB_CONCURRENCY, default. Reads the settings file and nothing else. Called at the
start, by `HTTPServer`, and at every reload.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .aliases import from_platform, hint
from .checks import problems_of, warnings_of
from .errors import SettingsError
from .schema import OPTIONS, Option, Settings
from .types import InvalidValue

__all__ = ["DEFAULT_FILE", "PROJECT_FILE", "Resolved", "find_config", "resolve"]

DEFAULT_FILE = "webpy.toml"
PROJECT_FILE = "pyproject.toml"
_PROJECT_TABLE = "[tool.webpy]"

# Variables of webpy that are not settings.
_OTHER_VARIABLES = frozenset({"WEBPY_CONFIG", "WEBPY_AUTH", "WEBPY_CACHE", "WEBPY_SESSION", "WEBPY_STORE"})


@dataclass(frozen=True, slots=True)
class Resolved:
    """The settings in force.

    `sources` maps each name to where its value came from ("command line", "WEBPY_WORKERS", "webpy.toml:12",
    "HTTPServer(...)", "default"), `labels` to how a message names it. `warnings` are sentences for the log. `file` is
    the settings file, `base` the folder from which relative paths are taken.
    """

    settings: Settings
    sources: Mapping[str, str]
    labels: Mapping[str, str]
    warnings: tuple[str, ...]
    file: Path | None
    base: Path

    def with_keywords(self, keywords: Mapping[str, object]) -> Resolved:
        """Return these settings with the keywords of an `HTTPServer`, known only now; they replace defaults only.

        Raises SettingsError.
        """
        return _merge([_keywords(keywords), _values_of(self)], list(self.warnings), self.file, self.base)


@dataclass(frozen=True, slots=True)
class _Source:
    """The values of one source by setting name.

    `label` returns how messages name a setting, `origin` where `webpy config` says that its value is from.
    """

    values: Mapping[str, object]
    label: Callable[[str], str]
    origin: Callable[[str], str]
    what: str  # what the message about an unknown name calls it
    parsed: bool = False  # whether the values are read already


def resolve(
    cli: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
    keywords: Mapping[str, object] | None = None,
    *,
    base: Path | None = None,
) -> Resolved:
    """Return the settings merged from all sources. None and empty environment variables count as not given.

    `cli` holds options by setting name, `environ` the environment, `file` is the settings file, `keywords` are those of
    `HTTPServer`, and `base` is the folder for relative paths, by default the current one. Raises SettingsError with all
    mistakes.
    """
    base = Path.cwd() if base is None else base
    command_line = _Source(cli or {}, _flag, lambda name: "command line", "option")
    warnings: list[str] = []
    variables = _environment(environ or {}, warnings)
    sources = [_keywords(keywords or {})]
    if file is not None:
        sources.append(_file(file, base))
    sources += [variables, command_line]
    named = {name for source in sources for name, value in source.values.items() if value is not None}
    return _merge([_platform(environ or {}, named), *sources], warnings, file, base)


def find_config(named: str | None, environ: Mapping[str, str], base: Path) -> Path | None:
    """Return the settings file to read, None if there is none.

    That is the one named by `--config` or WEBPY_CONFIG, else `webpy.toml` in `base`, else a `pyproject.toml` with a
    table [tool.webpy]. Raises SettingsError when a named file does not exist.
    """
    for label, name in (("--config", named), ("WEBPY_CONFIG", environ.get("WEBPY_CONFIG"))):
        if name:
            path = base / Path(name).expanduser()
            if path.is_dir() or not path.exists():
                problem = "is a folder" if path.is_dir() else "no such file"
                raise SettingsError(f"{label}: got {name!r}, {problem}")
            return path
    path = base / DEFAULT_FILE
    if path.is_file():
        return path
    path = base / PROJECT_FILE
    return path if _has_table(path) else None


def _has_table(path: Path) -> bool:
    """Return True if a pyproject.toml has settings of webpy; False also if it cannot be read."""
    try:
        tables = tomllib.loads(path.read_bytes().decode("utf-8"))
    except (OSError, ValueError):
        return False
    tools = tables.get("tool")
    return isinstance(tools, dict) and "webpy" in tools


def _flag(name: str) -> str:
    return OPTIONS[name].flag if name in OPTIONS else "--" + name.replace("_", "-")


def _keywords(keywords: Mapping[str, object]) -> _Source:
    return _Source(keywords, lambda name: f"HTTPServer({name}=)", lambda name: "HTTPServer(...)", "keyword")


def _values_of(resolved: Resolved) -> _Source:
    given = {name: getattr(resolved.settings, name) for name, source in resolved.sources.items() if source != "default"}
    return _Source(given, resolved.labels.__getitem__, resolved.sources.__getitem__, "setting", parsed=True)


def _platform(environ: Mapping[str, str], named: Collection[str]) -> _Source:
    """Return what the platform's variables say of settings that no other source names."""
    found = {name: given for name, given in from_platform(environ).items() if name not in named}
    values = {name: value for name, (_, value) in found.items()}
    return _Source(values, lambda name: found[name][0], lambda name: found[name][0], "variable")


def _environment(environ: Mapping[str, str], warnings: list[str]) -> _Source:
    values = {}
    for variable, value in environ.items():
        if not variable.startswith("WEBPY_") or variable in _OTHER_VARIABLES:
            continue
        name = variable.removeprefix("WEBPY_").lower()
        if name in OPTIONS and variable == OPTIONS[name].variable:
            if value:
                values[name] = value
        else:
            near = _nearest(name, list(OPTIONS))
            meant = f", did you mean {OPTIONS[near].variable}?" if near is not None else ""
            warnings.append(f"{variable}: no setting of this name{meant}")
    return _Source(values, lambda name: "WEBPY_" + name.upper(), lambda name: "WEBPY_" + name.upper(), "variable")


def _file(file: Path, base: Path) -> _Source:
    shown = str(file.relative_to(base)) if file.is_relative_to(base) else str(file)
    try:
        text = file.read_bytes().decode("utf-8")
        values: dict[str, Any] = tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"{shown}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{shown}: not UTF-8: {error.reason} at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{shown}: not TOML: {error}") from None
    if file.name == PROJECT_FILE:
        values, text = _project_table(values, text, shown)

    def place(name: str) -> str:
        """Return `webpy.toml:12`. The TOML reader keeps no line numbers, so search for the one line with the key."""
        key = re.escape(name)
        pattern = re.compile(rf"^[ \t]*(?:\[[ \t]*)?(?:{key}|\"{key}\"|'{key}')[ \t]*[=.\]]", re.MULTILINE)
        found = [match.end() for match in pattern.finditer(text)]
        return f"{shown}:{text.count(chr(10), 0, found[0]) + 1}" if len(found) == 1 else shown

    return _Source(values, lambda name: f"{place(name)}: {name}", place, "setting")


def _project_table(values: dict[str, Any], text: str, shown: str) -> tuple[dict[str, Any], str]:
    """Return the settings of a pyproject.toml, and its text with all other tables blanked out, to keep line numbers."""
    tools = values.get("tool", {})
    table = tools.get("webpy", {}) if isinstance(tools, dict) else {}
    if not isinstance(table, dict):
        raise SettingsError(f"{shown}: got tool.webpy = {table!r}, wanted a table {_PROJECT_TABLE}")
    lines, ours = [], False
    for line in text.splitlines():
        if line.lstrip().startswith("["):
            ours = line.split("#")[0].replace(" ", "").rstrip() == _PROJECT_TABLE
        lines.append(line if ours else "")
    return table, "\n".join(lines)


def _merge(sources: list[_Source], warnings: list[str], file: Path | None, base: Path) -> Resolved:
    """Merge the sources, the one that wins last. All values are read, to report mistakes in overridden ones too."""
    values: dict[str, Any] = {}
    origins = dict.fromkeys(OPTIONS, "default")
    labels = {name: option.flag for name, option in OPTIONS.items()}
    problems: list[str] = []
    for source in sources:
        for name, given in source.values.items():
            if given is None:
                continue
            option = OPTIONS.get(name)
            if option is None:
                problems.append(_unknown(source, name, given))
                continue
            label = source.label(name)
            try:
                value = given if source.parsed else _read(option, given, base)
            except InvalidValue as refused:
                wanted = refused.args[0] if refused.args else option.type.wanted
                problems.append(f"{label}: got {_shown(option, given)}, wanted {wanted}")
                continue
            if not option.ready and value not in (option.default, option.off):
                problems.append(f"{label}: got {_shown(option, given)}, but this is not in this version of webpy")
                continue
            values[name], origins[name], labels[name] = value, source.origin(name), label
    settings = Settings(**values)
    wrong = {name for name in OPTIONS if any(problem.startswith(labels[name] + ":") for problem in problems)}
    problems += problems_of(settings, labels, base, skip=wrong)
    if problems:
        raise SettingsError(dict.fromkeys(problems))
    return Resolved(settings, origins, labels, (*warnings, *warnings_of(settings, labels)), file, base)


def _read(option: Option, given: object, base: Path) -> object:
    value = option.type.read(given)
    if option.name == "chdir" and isinstance(value, str):
        # a relative path would be taken from the new folder at the next reload
        value = os.path.normpath(base / value)
    return value


def _shown(option: Option, given: object) -> str:
    if option.secret:
        return "a value"
    # options that may be repeated come as lists
    return repr(given[0] if isinstance(given, (list, tuple)) and len(given) == 1 else given)


def _unknown(source: _Source, name: str, given: object) -> str:
    label = source.label(name)
    if name == "config":
        return f"{label}: only --config and WEBPY_CONFIG name the settings file"
    if instead := hint(name, given):
        return f"{label}: no {source.what} of this name, {instead}"
    near = _nearest(name.replace("-", "_").lower(), list(OPTIONS))
    meant = f", did you mean {_flag(near) if label.startswith('--') else near}?" if near is not None else ""
    return f"{label}: no {source.what} of this name{meant}"


def _nearest(name: str, known: list[str]) -> str | None:
    import difflib

    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.5)), None)
