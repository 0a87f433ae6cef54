"""An empty store of each kind. Those on servers are marked slow: they run on one Python only."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services import memcached_server, redis_server
from webpy import store
from webpy.store import Store

LOCAL = ["memory", "sqlite", "file"]
REDIS = pytest.param("redis", marks=[pytest.mark.slow, pytest.mark.needs("redis-server")])
MEMCACHED = pytest.param("memcached", marks=[pytest.mark.slow, pytest.mark.needs("memcached")])

_prefixes = (f"test-{number}:" for number in itertools.count())


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="session")
def memcached_url() -> Iterator[str]:
    with memcached_server("-m", "64", "-I", "8m") as url:
        yield url


def url_of(kind: str, request: pytest.FixtureRequest) -> str:
    if kind == "memory":
        return "memory:"
    if kind == "sqlite":
        return f"sqlite:///{request.getfixturevalue('tmp_path')}/store.sqlite3"
    if kind == "file":
        return f"file:///{request.getfixturevalue('tmp_path')}/store"
    return f"{request.getfixturevalue(f'{kind}_url')}?prefix={next(_prefixes)}"


@pytest.fixture(params=[*LOCAL, REDIS, MEMCACHED])
def shared(request: pytest.FixtureRequest) -> Iterator[Store]:
    """An empty store of each kind."""
    with store.open(url_of(request.param, request)) as opened:
        yield opened


@pytest.fixture(params=[*LOCAL, REDIS])
def listed(request: pytest.FixtureRequest) -> Iterator[Store]:
    """An empty store of each kind that can list its keys."""
    with store.open(url_of(request.param, request)) as opened:
        yield opened


@pytest.fixture(params=["sqlite", "file", REDIS, MEMCACHED])
def between(request: pytest.FixtureRequest) -> Iterator[Store]:
    """An empty store of each kind that processes share, with a timeout that fits many of them."""
    with store.open(url_of(request.param, request), timeout_s=15) as opened:
        yield opened


@pytest.fixture
def path(tmp_path: Path) -> str:
    """The path of an SQLite store that does not exist yet."""
    return str(tmp_path / "store.sqlite3")
