"""The pytest plugin: the fixtures `webpy_client` and `webpy_server`, and how a test names what they serve.

    # pyproject.toml                          # or beside a test
    [tool.pytest.ini_options]                 @pytest.mark.webpy("app:routes", workers=2)
    webpy_target = "app:routes"               def test_it(webpy_server): ...

pytest loads it by the entry point `webpy` whenever webpy is installed, so it imports nothing of webpy before a test
asks for a fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .client import Client
    from .server import Server

__all__ = ["pytest_addoption", "pytest_configure", "webpy_client", "webpy_server"]

_INI = "webpy_target"
_MARK = "webpy(target, **options): what the fixtures webpy_client and webpy_server serve, and with which options"
#: options of `serve` that mean nothing to a client in the process, which is given the same marks
_OF_SERVERS = frozenset({"bind", "certfile", "keyfile", "ssl_context", "workers"})
#: and the other way round
_OF_CLIENTS = frozenset({"base_url", "client_address", "raise_errors"})


def pytest_addoption(parser: pytest.Parser) -> None:
    """Make the setting `webpy_target` known."""
    parser.addini(_INI, "TARGET of the fixtures webpy_client and webpy_server, as `webpy serve` takes it")


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", _MARK)


@pytest.fixture
def webpy_client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """A `webpy.testing.Client` of the target that the mark `webpy` or the setting `webpy_target` names."""
    from .client import Client

    target, options = _asked(request, "webpy_client")
    with Client(target, **{name: value for name, value in options.items() if name not in _OF_SERVERS}) as client:
        yield client


@pytest.fixture
def webpy_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A real server (`webpy.testing.serve`) of the target that the mark `webpy` or the setting `webpy_target` names."""
    from .server import serve

    target, options = _asked(request, "webpy_server")
    with serve(target, **{name: value for name, value in options.items() if name not in _OF_CLIENTS}) as server:
        yield server


def _asked(request: pytest.FixtureRequest, fixture: str) -> tuple[Any, dict[str, Any]]:
    """Return the target and the options for a test: those of the nearest mark; the options of farther ones count, too,
    and without a target in any of them that of the setting."""
    target: Any = None
    options: dict[str, Any] = {}
    for mark in request.node.iter_markers("webpy"):
        if len(mark.args) > 1:
            raise pytest.UsageError(f"@pytest.mark.webpy: got {len(mark.args)} targets, wanted one")
        if mark.args and target is None:
            target = mark.args[0]
        options = {**mark.kwargs, **options}
    if target is None:
        target = _of_setting(request.config)
    if target is None:
        raise pytest.UsageError(
            f"{fixture}: got no target, wanted one in the test's mark, such as @pytest.mark.webpy('app:routes'), "
            f"or in pytest's settings: {_INI} = app:routes"
        )
    return target, options


def _of_setting(config: pytest.Config) -> str | None:
    """Return the target of the setting: a path in it is relative to the folder of the settings file."""
    target = str(config.getini(_INI) or "")
    place = target.rpartition(":")[0] or target
    if (place.endswith(".py") or "/" in place) and config.inipath is not None and not Path(place).is_absolute():
        return str(config.inipath.parent / target)
    return target or None
