"""Owns `VirtualHost`, a dispatcher that chooses a part of the object tree by the request's host."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..messages.urls import join
from ..process.serving import serving
from .dispatcher import Dispatcher

__all__ = ["VirtualHost"]


def VirtualHost(
    next_dispatcher: Callable[[str], Any] | None = None, use_x_forwarded_host: bool = True, **domains: str
) -> Callable[[str], Any]:
    """Return a dispatcher that puts a prefix before the path, chosen by the request's host, and calls another.

    next_dispatcher: the dispatcher that is called, `Dispatcher()` if None; use_x_forwarded_host: let the field
    X-Forwarded-Host override Host; domains: host (with its port, if the client names one) to prefix.
    """
    dispatch = Dispatcher() if next_dispatcher is None else next_dispatcher
    return functools.partial(_dispatch_host, dispatch, use_x_forwarded_host, domains)


def _dispatch_host(
    dispatch: Callable[[str], Any], use_x_forwarded_host: bool, domains: dict[str, str], path_info: str
) -> Any:
    request = serving.request
    host = request.headers.get("Host", "")
    if use_x_forwarded_host:
        host = request.headers.get("X-Forwarded-Host", host)
    prefix = domains.get(host, "")
    result = dispatch(join(prefix, path_info) if prefix else path_info)
    section = request.config.get("tools.staticdir.section")
    if section:
        request.config["tools.staticdir.section"] = section[len(prefix) :]
    return result
