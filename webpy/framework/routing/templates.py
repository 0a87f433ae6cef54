"""Owns path templates: `webpy.path("/items/{id:int}")` as the key of a route, and the way from values back to a path.

A template becomes a regex, so the route table treats its route as any other; `PathTemplate.read` then makes the groups
of a match. Every template is matched in time that grows with the length of the path and no faster: captures that could
share their characters in more than one way are refused or, for `str`, kept apart. Knows no handlers and no requests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from ...protocol import ProtocolError
from ...protocol.path import decoded, escaped, is_normal, normal_path
from ..groups import Groups
from .converters import CONVERTERS, Converter

__all__ = ["Capture", "PathTemplate", "path"]

_CAPTURE = re.compile(r"\{([^{}]*)\}")
_ENCODED = re.compile(r"[^\x00-\x1f\x21-\x7f]")  # spaces and all beyond ASCII: people type them, and browsers encode
_HALF_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_ANY_QUERY = r"(?:\?.*)?"


def path(template: str) -> PathTemplate:
    """Return the key of a route for paths like `template`, whatever the query is.

        routes = {webpy.path("/items/{id:int}"): Item}     # self.groups["id"] is an int

    `{name}` captures one segment of the path or a part of it; `{name:converter}` also converts it. The converters are
    `str` (the default), `int`, `float`, `uuid` and `path`, which takes any number of segments. Captures are
    percent-decoded. What cannot be converted does not match. Raises ValueError for a template with a mistake.
    """
    return PathTemplate(template)


class Capture:
    """One `{name:converter}` of a template."""

    __slots__ = ("converter", "name")

    def __init__(self, name: str, converter: Converter) -> None:
        self.name = name
        self.converter = converter

    def __str__(self) -> str:
        return f"{{{self.name}:{self.converter.name}}}"


class PathTemplate:
    """What `path` returns. Templates that match the same and capture under the same names are equal.

    parts: literal text (str, percent-decoded where that cannot change it) and captures, in turn. regex: for the path
    alone. pattern: the compiled regex for path and query.
    """

    __slots__ = ("_captures", "_names", "_reads", "parts", "pattern", "regex", "template")

    def __init__(self, template: str) -> None:
        """Raises TypeError if it is no str, ValueError if it has a mistake."""
        if not isinstance(template, str):
            raise TypeError(f"webpy.path: got {template!r:.60}, wanted a str such as '/items/{{id:int}}'")
        self.template = template
        self.parts = list(_parts(template))
        _check(template, self.parts)
        self._captures = [part for part in self.parts if isinstance(part, Capture)]
        self._names = tuple(capture.name for capture in self._captures)
        self._reads = tuple(capture.converter.read for capture in self._captures)
        self.regex = "".join(_regexes(self.parts))
        self.pattern = re.compile(self.regex + _ANY_QUERY)

    def read(self, match: re.Match[str]) -> Groups | None:
        """Return the converted captures of a match of `pattern`; None if one of them cannot be converted."""
        try:
            values = tuple([read(text) for read, text in zip(self._reads, match.groups())])  # noqa: B905 - as many
        except ValueError:
            return None
        return Groups.of(values, self._names)

    def url(self, /, **values: Any) -> str:
        """Return the path, percent-encoded, that this template matches with these values.

        Raises ValueError for a value that is missing, has no capture, or that the template would not give back.
        """
        self._check_names(values)
        texts = {capture.name: self._written(capture, values[capture.name]) for capture in self._captures}
        found = "".join(_encoded(part) if isinstance(part, str) else texts[part.name] for part in self.parts)
        match = self.pattern.fullmatch(found) if is_normal(found) else None
        groups = self.read(match) if match is not None else None
        if groups is None or any(groups[each.name] != each.converter.read(texts[each.name]) for each in self._captures):
            got = ", ".join(f"{name}={value!r:.60}" for name, value in values.items())
            raise ValueError(f"{self!r}: url({got}) would be {found!r:.80}, which the template does not read as these")
        return found

    def _check_names(self, values: dict[str, Any]) -> None:
        missing = [name for name in self._names if name not in values]
        if missing:
            raise ValueError(f"{self!r}: url() misses {', '.join(missing)}")
        unknown = [name for name in values if name not in self._names]
        if unknown:
            wanted = f"wanted {', '.join(self._names)}" if self._names else "it captures nothing"
            raise ValueError(f"{self!r}: url() got {', '.join(unknown)}, {wanted}")

    def _written(self, capture: Capture, value: Any) -> str:
        try:
            return capture.converter.write(value)
        except (ValueError, ArithmeticError):
            wanted = capture.converter.wanted
            raise ValueError(f"{self!r}: url() got {capture.name}={value!r:.60}, wanted {wanted}") from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PathTemplate) and other._identity() == self._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[object, ...]:
        return self.regex, self._reads

    def __repr__(self) -> str:
        return f"webpy.path({self.template!r})"

    def __str__(self) -> str:
        return self.template


def _parts(template: str) -> Iterator[str | Capture]:
    """Yield the literal texts, not empty, and the captures. Raises ValueError."""
    end = 0
    for found in _CAPTURE.finditer(template):
        if literal := template[end : found.start()]:
            yield _literal(template, literal)
        yield _capture(template, found[1])
        end = found.end()
    if literal := template[end:]:
        yield _literal(template, literal)


def _capture(template: str, text: str) -> Capture:
    name, colon, kind = text.partition(":")
    if not name.isidentifier():
        hint = "" if name else "; write %7B%7D for braces in a path"
        raise _wrong(template, f"{{{text}}} has the name {name!r}, wanted letters, digits and _{hint}")
    converter = CONVERTERS.get(kind if colon else "str")
    if converter is None:
        import difflib  # for mistakes only

        near = difflib.get_close_matches(kind, CONVERTERS, n=1)
        hint = f", did you mean {{{name}:{near[0]}}}?" if near else ""
        raise _wrong(template, f"{{{text}}} has the converter {kind!r}, wanted one of {', '.join(CONVERTERS)}{hint}")
    return Capture(name, converter)


def _literal(template: str, text: str) -> str:
    """Return literal text in normal form, with the escapes decoded that a path can do without. Raises ValueError."""
    for brace, other in ("{}", "}{"):
        if brace in text:
            raise _wrong(template, f"{brace!r} without {other!r}; write {quote(brace)} for a brace in a path")
    if "?" in text or "#" in text:
        raise _wrong(template, "a template is for the path only: leave out the query, and what follows '#'")
    if "<" in text or ">" in text:
        raise _wrong(template, "'<' and '>' stand in no path: a capture is written {name} or {name:int}")
    if "\\" in text:
        raise _wrong(template, "'\\' stands in no path: a template is no regular expression (a str as the key is one)")
    if _HALF_ESCAPE.search(text):
        raise _wrong(template, "'%' without two hex digits behind it; write %25 for a percent sign in a path")
    try:
        plain = _ENCODED.sub(lambda char: quote(char[0]), text)
        # by segments, as empty ones and dots would be removed: `_check` says what is wrong with them
        return decoded("/".join(normal_path("/_" + segment)[2:] for segment in plain.split("/")))
    except (ProtocolError, UnicodeEncodeError):
        raise _wrong(template, f"it has characters that stand in no path: {text!r}") from None


def _encoded(literal: str) -> str:
    """Return a literal part for a URL, with everything escaped that RFC 3986 section 3.3 does not allow in a path."""
    return quote(literal, safe="/%!$&'()*+,;=:@~")


def _check(template: str, parts: list[str | Capture]) -> None:
    """Raise ValueError if no path can be like the template, or if a path could be like it in more than one way."""
    if not template.startswith("/"):
        raise _wrong(template, "wanted '/' at its beginning, as every path has")
    sample = "".join(part if isinstance(part, str) else "x" for part in parts)
    if not is_normal(sample):
        raise _wrong(template, "it has an empty, '.' or '..' segment, and these are removed from paths before routing")
    seen: set[str] = set()
    has_path = False
    for place, part in enumerate(parts):
        if isinstance(part, str):
            continue
        if part.name in seen:
            raise _wrong(template, f"it has two captures with the name {part.name!r}")
        seen.add(part.name)
        after = parts[place + 1] if place + 1 < len(parts) else "/"
        if not isinstance(after, str):
            raise _wrong(template, f"nothing divides {part} and {after}: write something between them, such as '/'")
        if part.converter.name == "path":
            if has_path:
                raise _wrong(template, "it has two captures of a path, of which the first would take any part")
            has_path = True
            if not (str(parts[place - 1]).endswith("/") and after.startswith("/")):
                raise _wrong(template, f"{part} is a part of a segment: wanted '/' before it, and '/' or the end after")
        elif part.converter.name in ("int", "float"):
            before = str(parts[place - 1])
            if after[0].isdigit():
                raise _wrong(template, f"{part} is followed by {after[0]!r}, which could be a part of the number")
            if before[-1].isdigit() and "/" not in before:  # which another capture is in front of
                raise _wrong(template, f"{part} follows {before[-1]!r}, which could be a part of the number")


def _wrong(template: str, what: str) -> ValueError:
    return ValueError(f"path template {template!r}: {what}")


def _regexes(parts: list[str | Capture]) -> Iterator[str]:
    """Yield the regex of each part.

    A `str` behind another `str` of the same segment does not contain the text before it, so that there is one place
    to divide them at: the last.
    """
    divider = ""
    is_behind = False  # a `str` of the same segment
    for part in parts:
        if isinstance(part, str):
            _, slash, divider = part.rpartition("/")
            is_behind = is_behind and not slash
            yield _literal_regex(part)
            continue
        shape = part.converter.shape
        is_str = part.converter.name == "str"
        if is_behind and is_str:
            shape = f"(?:(?!{_literal_regex(divider)}){shape[:-1]})+"
        yield f"(?P<{part.name}>{shape})"
        is_behind = is_behind or is_str


def _literal_regex(text: str) -> str:
    """Return the regex for literal text: what may stand in a path raw or escaped matches in either spelling."""
    return "".join(
        re.escape(char) if escaped(char) == char else f"(?:{re.escape(char)}|{escaped(char)})" for char in text
    )
