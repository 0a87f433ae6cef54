"""Dispatch: which page answers a path, with which arguments and which configuration (`cherrypy.dispatch`).

`exposing` marks pages, `dispatcher` finds them in the object tree, `hosts` puts a prefix before the path by the host;
`pages` calls the page, and `arguments` explains a call that does not fit.
"""

from __future__ import annotations

from .arguments import test_callable_spec
from .dispatcher import Dispatcher, MethodDispatcher, punctuation_to_underscores
from .hosts import VirtualHost
from .pages import LateParamPageHandler, PageHandler

__all__ = [
    "Dispatcher",
    "LateParamPageHandler",
    "MethodDispatcher",
    "PageHandler",
    "VirtualHost",
    "punctuation_to_underscores",
    "test_callable_spec",
]
