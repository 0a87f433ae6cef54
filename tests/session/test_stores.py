"""Sessions in every other store, real servers among them, on two workers; expiry in real time; TLS."""

from __future__ import annotations

import http.client
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
import trustme

import webpy.store
from tests.server import Server
from tests.services import memcached_server, redis_server
from tests.session.client import Client, holding, on_all_workers, serving

pytestmark = pytest.mark.slow

KINDS = [
    "file",
    pytest.param("redis", marks=pytest.mark.needs("redis-server")),
    pytest.param("memcached", marks=pytest.mark.needs("memcached")),
]


class Site:
    """Gives a store of this kind, and servers that use it."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self._folder = folder
        self._stack = ExitStack()
        if kind == "redis":
            self.url = self._stack.enter_context(redis_server(folder))
        elif kind == "memcached":
            self.url = self._stack.enter_context(memcached_server())
        else:
            self.url = f"file:///{folder}/sessions"
        self.first, self.second = self.start("first"), self.start("second")

    def start(self, name: str) -> Server:
        folder = self._folder / name
        folder.mkdir()
        return self._stack.enter_context(serving(folder, WEBPY_SESSION=self.url))

    def close(self) -> None:
        self._stack.close()


@pytest.fixture(scope="module", params=KINDS)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(request.param, tmp_path_factory.mktemp("site"))
    yield site
    site.close()


def test_no_update_is_lost(site: Site) -> None:
    """Two servers of two workers: on one machine, or on two that share a Redis or memcached."""
    one = Client(site.first)
    one.post("/count")
    other = Client(site.second, one.id)
    answers = on_all_workers(one, other, workers=4, threads=4, each=8)
    assert sorted(int(answer.body) for answer in answers) == list(range(2, 2 + len(answers)))
    assert one.get("/count") == other.get("/count") == str(1 + len(answers))


def test_login_and_logout(site: Site) -> None:
    client = Client(site.first)
    client.post("/count")
    planted = client.id
    client.post("/login", "ann")
    assert client.id != planted and Client(site.second, client.id).get("/login") == "ann"
    assert Client(site.second, planted).get("/login") == "nobody"
    id = client.id
    client.ask("DELETE", "/login")
    assert Client(site.second, id).get("/login") == "nobody"


def test_busy(site: Site) -> None:
    client = Client(site.first)
    client.post("/count")
    other = Client(site.second, client.id)
    with holding(client) as held:
        assert (other.ask("POST", "/impatient").status, other.get("/peek")) == (503, "1")
    assert (held[0].body, other.post("/count")) == (b"2", "3")


def test_a_killed_worker_holds_nothing_for_long(site: Site) -> None:
    client = Client(site.first)
    client.post("/count")
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        client.ask("POST", "/die")
    began_s = time.monotonic()
    assert Client(site.second, client.id).post("/count") == "2"
    assert time.monotonic() - began_s < 5.0


@pytest.mark.needs("redis-server")
def test_the_store_goes_away_and_comes_back(tmp_path: Path) -> None:
    with ExitStack() as stack:
        with redis_server(tmp_path) as url:
            server = stack.enter_context(serving(tmp_path, WEBPY_SESSION=url))
            client = Client(server)
            assert client.post("/count") == "1"
            first = client.id
        for method in ("GET", "POST"):
            answer = client.ask(method, "/count")
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            assert answer.body == b"sessions are not available now; try again\n"
        server.wait_for("the store of sessions failed")
        assert not any(first in line or "Traceback" in line for line in server.errors)
        assert server.get("/untouched").status == 200
        with redis_server(tmp_path):
            assert client.post("/count") == "1"  # it kept nothing on disk
            assert client.id != first


EXPIRING = """
from webpy.session import SessionMixIn

class Count(SessionMixIn):
    session_idle_s = 0.5
    session_ttl_s = 1.5
    session_cookie = "__Host-session"

    def do_post(self):
        self.session["n"] = self.session.get("n", 0) + 1
        return 200, str(self.session["n"])

routes = {"/": Count}
"""


def test_under_tls_and_in_real_time(serve: Callable[..., Server], tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    issued.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    (tmp_path / "expiring.py").write_text(EXPIRING)
    pem = str(tmp_path / "server.pem")
    server = serve("expiring.py", "--workers", "2", "--certfile", pem, "--keyfile", pem)
    with requests.Session() as client:
        client.trust_env = False  # the environment may name another bundle
        client.verify = str(tmp_path / "ca.pem")

        def count() -> str:
            return client.post(server.url).text

        began_s = time.monotonic()
        answer = client.post(server.url)
        assert answer.text == "1" and "; Secure; HttpOnly;" in answer.headers["Set-Cookie"]
        first = client.cookies["__Host-session"]
        counts = 1
        while (said := count()) != "1":  # in use: it ends after its time to live, not before
            counts += 1
            assert said == str(counts)
            time.sleep(0.1)
        assert 1.3 < time.monotonic() - began_s < 3 and counts > 5
        second = client.cookies["__Host-session"]
        assert second != first
        time.sleep(0.7)  # not in use
        assert count() == "1" and client.cookies["__Host-session"] not in (first, second)
    keys = webpy.store.open(f"sqlite:///{tmp_path}/webpy-sessions.sqlite3")
    assert len(keys) == 1
    keys.close()


def test_kills_lose_nothing_that_was_answered(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        client = Client(server)
        client.post("/count")
        answered, failed = [1], [0]

        def work() -> None:
            own = Client(server, client.id)
            for _ in range(60):
                try:
                    answered.append(int(own.post("/count")))
                except (http.client.HTTPException, ConnectionError):
                    failed.append(1)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            seen = len(answered)
            while len(answered) < seen + 30 and any(thread.is_alive() for thread in threads):
                time.sleep(0.005)
            os.kill(int(client.ask("POST", "/count").headers["X-Worker"]), signal.SIGKILL)
        for thread in threads:
            thread.join(30)
        total = int(client.get("/count"))
        assert len(set(answered)) == len(answered)  # no two requests got the same number
        assert len(answered) + 3 <= total <= len(answered) + 3 + sum(failed)
