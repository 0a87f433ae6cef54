"""Stores of sessions and kept answers: real memcached and Redis servers, a worker's memory; and when they expire."""

from __future__ import annotations

import concurrent.futures
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.server import Server
from tests.services import memcached_server, redis_server

pytestmark = pytest.mark.slow

SCRIPT = """
import os
import time

import webpy.objects as cherrypy
from webpy.objects.lib.caching import MemoryCache

made = 0


class Root:
    @cherrypy.expose
    def index(self):
        n = cherrypy.session.get("n", 0)
        time.sleep(0.005)
        cherrypy.session["n"] = n + 1
        return str(n + 1)

    @cherrypy.expose
    def hold(self):
        cherrypy.session["n"] = 0
        time.sleep(0.8)
        return "held"

    @cherrypy.expose
    @cherrypy.tools.caching(cache_class=MemoryCache, delay=1, maxobjects=2, maxobj_size=50)
    def kept(self, number="0", size="10"):
        global made
        made += 1
        return "%d" % made + "x" * int(size)


options = {"tools.sessions." + name: value for name, value in eval(os.environ["SESSIONS"]).items()}
cherrypy.quickstart(Root(), "/", {"/": {"tools.sessions.on": True, **options}})
"""


@contextmanager
def serving(folder: Path, workers: int = 2, **options: Any) -> Iterator[Server]:
    folder.mkdir(exist_ok=True)
    (folder / "script.py").write_text(SCRIPT)
    env = {
        "WEBPY_BIND": "127.0.0.1:0",
        "WEBPY_WORKERS": str(workers),
        "WEBPY_CONTROL": "off",
        "SESSIONS": repr(options),
    }
    server = Server("script.py", cwd=folder, program=(sys.executable,), bind=None, env=env)
    try:
        server.wait_until_listening()
        yield server
    finally:
        server.kill()


def cookie_of(answer: Any) -> dict[str, str]:
    return {"Cookie": str(answer.headers["Set-Cookie"]).partition(";")[0]}


def count_up(server: Server) -> None:
    cookie = cookie_of(server.get("/"))
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda _: server.get("/", headers=cookie).status, range(18))) == [200] * 18
    assert server.get("/", headers=cookie).body == b"20"
    made_up = {"Cookie": "session_id=" + "A" * 43}
    assert cookie_of(server.get("/", headers=made_up)) != made_up


@pytest.mark.needs("memcached")
def test_sessions_in_memcached(tmp_path: Path) -> None:
    pytest.importorskip("pymemcache")
    with memcached_server() as url:
        host = url.partition("://")[2]
        with serving(tmp_path / "app", storage_type="memcached", servers=[host]) as server:
            count_up(server)


@pytest.mark.needs("redis-server")
def test_sessions_in_redis(tmp_path: Path) -> None:
    pytest.importorskip("redis")
    with redis_server(tmp_path) as url, serving(tmp_path / "app", storage_type=url) as server:
        count_up(server)


def test_a_server_of_sessions_that_is_down_is_503(tmp_path: Path) -> None:
    pytest.importorskip("redis")
    with serving(tmp_path, storage_type="redis://127.0.0.1:1/0") as server:
        assert server.get("/").status == 503
        server.wait_for("the store of sessions failed")


def test_an_unused_session_ends_and_a_busy_one_is_503(tmp_path: Path) -> None:
    with serving(tmp_path, timeout=0.02, lock_timeout=0.1) as server:
        cookie = cookie_of(server.get("/"))
        assert server.get("/", headers=cookie).body == b"2"
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            held = pool.submit(server.get, "/hold", headers=cookie)
            time.sleep(0.3)
            assert server.get("/", headers=cookie).status == 503
            assert held.result().body == b"held"
        time.sleep(1.4)
        assert server.get("/", headers=cookie).body == b"1"


def test_answers_in_a_workers_memory(tmp_path: Path) -> None:
    with serving(tmp_path, workers=1) as server:
        first = server.get("/kept").body
        assert server.get("/kept").body == first
        assert server.get("/kept?number=1").body == server.get("/kept?number=1").body
        assert server.get("/kept?number=2").body != server.get("/kept?number=2").body  # there is room for two
        assert server.get("/kept?size=99").body != server.get("/kept?size=99").body  # too large
        server.request("POST", "/kept", b"")
        second = server.get("/kept").body
        assert second != first
        time.sleep(2.1)
        assert server.get("/kept").body != second
        assert server.get("/kept?number=2").body == server.get("/kept?number=2").body  # there is room again
