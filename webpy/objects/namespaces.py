"""Owns what entries of the configuration do to a request: `hooks.*`, `request.*`, `response.*`, `error_page.*`.

`Request` passes the entries of its path to these functions, in its thread, when its page has been found.
"""

from __future__ import annotations

from typing import Any

from .configuration.literal import attribute
from .configuration.namespaces import NamespaceSet
from .process.serving import serving
from .tooling.hooks import Hook
from .tooling.toolbox import default_toolbox

__all__ = ["REQUEST_NAMESPACES"]


def _set_hook(key: str, value: Any) -> None:
    if isinstance(value, str):
        value = attribute(value)
    serving.request.hooks[key.partition(".")[0]].append(value if isinstance(value, Hook) else Hook(value))


def _set_request(key: str, value: Any) -> None:
    if key.startswith("body."):
        setattr(serving.request.body, key[5:], value)
    else:
        setattr(serving.request, key, value)


def _set_response(key: str, value: Any) -> None:
    if key.startswith("headers."):
        serving.response.headers[key[8:]] = value
    else:
        setattr(serving.response, key, value)


def _set_error_page(key: str, value: Any) -> None:
    serving.request.error_page[key if key == "default" else int(key)] = value


REQUEST_NAMESPACES = NamespaceSet(
    hooks=_set_hook,
    request=_set_request,
    response=_set_response,
    error_page=_set_error_page,
    tools=default_toolbox,
)
