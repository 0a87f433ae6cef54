"""Owns the review of a route table: which routes can never answer, and why. It warns only of what is certain.

Called by `webpy routes` and `webpy check`, never while requests are answered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..handler import HTTPHandler
from .converters import CONVERTERS, Converter
from .hosts import covering
from .prefixes import PrefixIndex, literal_prefix, split_literal
from .routes import STANDARD_METHODS, Route
from .templates import Capture, PathTemplate

__all__ = ["review"]


def review(routes: Sequence[Route]) -> list[list[str]]:
    """Return the warnings of each route: sentences, none if nothing is certain to be wrong with it."""
    index = PrefixIndex((route.pattern, place) for place, route in enumerate(routes))
    found: list[list[str]] = []
    for place, route in enumerate(routes):
        warnings = [*filter(None, [route.complaint(), _without_methods(route)])]
        for earlier in index.candidates(literal_prefix(route.pattern)):
            if earlier >= place:
                break
            if _covers(routes[earlier], route):
                first = routes[earlier].name
                warnings.append(f"route {route.name} never answers: {first}, before it, matches all that it matches")
                break
        found.append(warnings)
    return found


def _without_methods(route: Route) -> str:
    """Return what is wrong with a handler that answers nothing but OPTIONS, else ""."""
    handler = route.handler
    if handler.any_method or handler.respond is not HTTPHandler.respond or set(handler.methods()) != {"OPTIONS"}:
        return ""
    meant = [name for cls in handler.__mro__ for name in vars(cls) if cls.__module__ != HTTPHandler.__module__]
    near = [name for name in meant if name.upper().removeprefix("DO_") in STANDARD_METHODS and name[:3] != "do_"]
    near += [name for name in meant if name[:3] == "do_" and not name.islower()]
    hint = f" (it has {near[0]}, wanted do_{near[0].lower().removeprefix('do_')})" if near else ""
    return f"route {route.name}: {handler.__qualname__} answers no method: it has no do_get, do_post, ...{hint}"


def _covers(first: Route, second: Route) -> bool:
    """Return whether it is certain that `first` takes every request that `second` could have."""
    if first.host is not None and (second.host is None or first.host not in covering(second.host)):
        return False
    begins, rest = split_literal(second.pattern)
    if rest in ("", "$") and second.pattern.pattern and first.capture(begins) is not None:
        return True  # a single resource
    if isinstance(first.key, PathTemplate) and first.read is not None:
        return isinstance(second.key, PathTemplate) and _covers_template(first.key, second.key)
    if (first.pattern.pattern, first.pattern.flags) == (second.pattern.pattern, second.pattern.flags):
        return True
    return any(literal_prefix(second.pattern).startswith(open_at) for open_at in _open_prefixes(first.pattern))


_GROUP = re.compile(r"\((?:\?:|\?P<\w+>)")

#: what a regex may end with, its groups written as plain ones, to what it must be preceded by so that anything follows
_OPEN = {
    ".*": ("",),
    "(.*)": ("",),
    "(.*)?": ("",),
    "(/.*)": ("/",),
    "(/.*)?": ("/",),
    r"/.*|\*": ("/", "*"),
    r"(\?.*)?": ("?",),
    r"(/.*|\?.*)?": ("/", "?"),
    r"(/.*)?(\?.*)?": ("/", "?"),
    r"(/[^?]*)(\?.*)?": ("/",),
    r"(/[^?]*)?(\?.*)?": ("/", "?"),
}


def _open_prefixes(pattern: re.Pattern[str]) -> Iterator[str]:
    """Yield texts such that the regex matches every resource that begins with one of them, as far as it is known."""
    begins, rest = split_literal(pattern)
    if pattern.flags != re.UNICODE:
        return
    for following in _OPEN.get(_GROUP.sub("(", rest.removesuffix("$")), ()):
        yield begins + following


#: literal texts and captures' converters, in turn
_Segment = tuple[str | Converter, ...]
_TEXT: _Segment = (CONVERTERS["str"],)
_PATH: _Segment = (CONVERTERS["path"],)


def _covers_template(first: PathTemplate, second: PathTemplate) -> bool:
    """Return whether it is certain that `first` matches every path that `second` matches."""
    if not any(isinstance(part, Capture) for part in second.parts):
        match = first.pattern.fullmatch(second.url())
        return match is not None and first.read(match) is not None
    ours, theirs = _segments(first), _segments(second)
    for place, segment in enumerate(ours):
        left = theirs[place:]
        if segment == _PATH:
            if place < len(ours) - 1:
                return ours[place:] == left
            return bool(left) and left != [()] and all(map(_is_text, left))
        if not left:
            return False
        if segment != left[0] and (segment != _TEXT or left[0] in ((), _PATH) or not _is_text(left[0])):
            return False
    return len(ours) == len(theirs)


def _segments(template: PathTemplate) -> list[_Segment]:
    found: list[list[str | Converter]] = [[]]
    for part in template.parts:
        if isinstance(part, Capture):
            found[-1].append(part.converter)
            continue
        first, *others = part.split("/")
        found[-1] += [first] if first else []
        found += [[text] if text else [] for text in others]
    return [tuple(segment) for segment in found]


def _is_text(segment: _Segment) -> bool:
    """Return whether the converter `str` reads all that a segment matches: its literal text may not be UTF-8."""
    try:
        for item in segment:
            if isinstance(item, str):
                CONVERTERS["str"].read(item)
    except ValueError:
        return False
    return True
