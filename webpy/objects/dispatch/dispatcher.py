"""Owns the dispatchers that walk the object tree: `Dispatcher` and `MethodDispatcher`.

A dispatcher finds which object and method answers a path, with which arguments and which configuration. `request` calls
it with the path; it sets `request.handler` and `request.config`. `request.dispatch` in the configuration names another.
"""

from __future__ import annotations

import re
import string
from typing import Any

from ..configuration.config import config
from ..messages.errors import CherryPyException, HTTPError, NotFound
from ..process.serving import serving
from .exposing import DISPATCH
from .pages import LateParamPageHandler

__all__ = ["Dispatcher", "MethodDispatcher", "punctuation_to_underscores"]

_LIKE_SLASH = re.compile("%25((?:25)*2F)")
punctuation_to_underscores = str.maketrans(string.punctuation, "_" * len(string.punctuation))


class _Node:
    """An object met on the walk along a path: its own configuration, and how many segments follow it."""

    __slots__ = ("config", "left", "name", "object")

    def __init__(self, name: str, found: Any, config: dict[str, Any], left: int) -> None:
        self.name = name
        self.object = found
        self.config = config
        self.left = left


class Dispatcher:
    """Finds the page by walking the attributes of the application's root along the path.

    The page is the deepest object met that is exposed, or the exposed method `default` of the deepest object that has
    one; `default` wins on the same object. The rest of the path becomes its arguments. A path that ends at an object
    continues to its `index`. Punctuation in a segment is an underscore in the attribute's name. Where a segment is no
    attribute, the object's method `_cp_dispatch(vpath)` is called: it removes segments from the list and returns the
    next object.
    """

    dispatch_method_name = DISPATCH

    def __init__(self, dispatch_method_name: str | None = None, translate: dict[int, str] | None = None) -> None:
        if translate is not None and not isinstance(translate, dict):
            raise ValueError("The translate argument must be a dict.")
        self.translate = punctuation_to_underscores if translate is None else translate
        if dispatch_method_name:
            self.dispatch_method_name = dispatch_method_name

    def __call__(self, path_info: str) -> None:
        page, rest = self.find_handler(path_info)
        serving.request.handler = LateParamPageHandler(page, *_unquoted(rest)) if page else NotFound()

    def find_handler(self, path: str) -> tuple[Any, list[str]]:
        """Return the page for `path` and the segments that are its arguments; (None, []) if there is no page.

        Sets `request.config` and `request.is_index`.
        """
        request = serving.request
        segments = [segment for segment in path.strip("/").split("/") if segment] + ["index"]
        trail = self._walk(request.app, segments)
        deepest = len(trail) - 1
        for index in range(deepest, -1, -1):
            node = trail[index]
            if node.object is None:
                continue
            default = getattr(node.object, "default", None)
            if getattr(default, "exposed", False):
                own = _Node("default", default, getattr(default, "_cp_config", {}), node.left)
                request.config = _configuration([*trail[: index + 1], own, *trail[index + 1 :]], segments)
                request.is_index = path.endswith("/")
                return default, segments[len(segments) - node.left : -1]
            if getattr(node.object, "exposed", False):
                request.config = _configuration(trail, segments)
                request.is_index = index == deepest
                return node.object, segments[len(segments) - node.left : -1]
        request.config = _configuration(trail, segments)
        return None, []

    def _walk(self, app: Any, segments: list[str]) -> list[_Node]:
        """Return the objects along the path, from the root on; the object is None behind the last one that exists."""
        root_config = {**getattr(app.root, "_cp_config", {}), **app.config.get("/", {})}
        trail = [_Node("root", app.root, root_config, len(segments))]
        found = app.root
        rest = segments[:]
        while rest:
            name, before = rest[0], len(rest)
            found = self._step(found, rest)
            if len(rest) > before:
                raise CherryPyException(
                    "A vpath segment was added.  Custom dispatchers may only remove elements.  "
                    f"While trying to process {name} in {segments}"
                )
            if len(rest) == before:
                rest.pop(0)
            own = dict(getattr(found, "_cp_config", ()) or {}) if found is not None else {}
            for end in range(len(segments) - before + 1, len(segments) - len(rest) + 1):
                own.update(app.config.get("/" + "/".join(segments[:end]), {}))
            trail.append(_Node(name, found, own, len(rest)))
        return trail

    def _step(self, found: Any, rest: list[str]) -> Any:
        """Return the object that the first segment of `rest` leads to, and remove the segments used from `rest`."""
        below = getattr(found, rest[0].translate(self.translate), None)
        if below is None:
            dispatch = getattr(found, self.dispatch_method_name, None)
            if callable(dispatch) and not getattr(dispatch, "exposed", False) and len(rest) > 1:
                index = rest.pop()
                below = dispatch(vpath=rest)
                rest.append(index)
                return below
        rest.pop(0)
        return below


def _configuration(trail: list[_Node], segments: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = dict(config)
    for node in trail:
        found.update(node.config)
        if "tools.staticdir.dir" in node.config:
            found["tools.staticdir.section"] = "/" + "/".join(segments[: len(segments) - node.left])
    return found


def _unquoted(segments: list[str]) -> list[str]:
    """Decode the escaped slashes of segments: all else has been decoded, and `%252F` means a literal `%2F`."""
    return [_LIKE_SLASH.sub(r"%\1", segment.replace("%2F", "/")) for segment in segments]


class MethodDispatcher(Dispatcher):
    """Finds an exposed object by the path and calls its method named like the request's: `GET`, `POST`, ..."""

    def __call__(self, path_info: str) -> None:
        request = serving.request
        resource, rest = self.find_handler(path_info)
        if not resource:
            request.handler = NotFound()
            return
        methods = {name for name in dir(resource) if name.isupper()}
        if "GET" in methods:
            methods.add("HEAD")
        serving.response.headers["Allow"] = ", ".join(sorted(methods))
        method = request.method.upper()
        page = getattr(resource, method, None)
        if page is None and method == "HEAD":
            page = getattr(resource, "GET", None)
        if not page:
            request.handler = HTTPError(405)
            return
        request.config.update(getattr(page, "_cp_config", {}))
        request.handler = LateParamPageHandler(page, *_unquoted(rest))
