"""Values of a configuration file."""

from __future__ import annotations

from typing import Any

import pytest

import webpy.objects
from webpy.objects.configuration.literal import attribute, evaluate


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("-1", -1),
        ("{'a': [1, (2,), {3}], 'b': None}", {"a": [1, (2,), {3}], "b": None}),
        ("[('Content-Type', 'text/plain')][0][1]", "text/plain"),
        ("dict(a=1)", {"a": 1}),
        ("", ""),
    ],
)
def test_expressions(text: str, value: Any) -> None:
    assert evaluate(text) == value


def test_cherrypy_is_this_package() -> None:
    assert isinstance(evaluate("cherrypy.dispatch.MethodDispatcher()"), webpy.objects.dispatch.MethodDispatcher)
    assert evaluate("cherrypy.lib.sessions") is webpy.objects.lib.sessions
    assert attribute("cherrypy.lib.sessions.FileSession") is webpy.objects.lib.sessions.FileSession
    assert attribute("cherrypy.expose") is webpy.objects.expose


@pytest.mark.parametrize(
    ("text", "error"),
    [("lambda: 1", TypeError), ("1 if 2 else 3", TypeError), ("nowhere_at_all", ImportError), ("(", SyntaxError)],
)
def test_what_is_none(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        evaluate(text)
