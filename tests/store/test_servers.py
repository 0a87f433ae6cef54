"""The stores in Redis and memcached: servers that are down, silent, locked or full; keys as other clients see them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tests.forked import Forked
from tests.services import free_port, memcached_server, redis_server
from tests.store.conftest import MEMCACHED, REDIS
from webpy import store
from webpy.store import Store, StoreError, StoreTimeout

Running = Callable[[], AbstractContextManager[str]]


@pytest.fixture(params=[REDIS, MEMCACHED])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Running:
    """Gives `running() -> context manager of a URL`: a server at the same address each time."""
    port = free_port()
    if request.param == "redis":
        return lambda: redis_server(tmp_path, port=port)
    return lambda: memcached_server(port=port)


def all_ways(opened: Store) -> list[Callable[[], object]]:
    return [
        lambda: opened.get("a"),
        lambda: opened.set("a", b"1"),
        lambda: opened.incr("n"),
        lambda: opened.cas("a", None, b"1"),
        lambda: opened.pop("a", None),
    ]


def test_a_server_that_goes_and_comes_back(running: Running) -> None:
    with running() as url:
        opened = store.open(url, timeout_s=5)
        assert opened.incr("n") == 1
    for use in all_ways(opened):
        with pytest.raises(StoreError, match="refused|closed"):
            use()
    with running():
        for use in all_ways(opened):
            use()
        assert opened["n"] == b"1"  # of the new server, which began empty
    opened.close()


@pytest.mark.parametrize("scheme", ["redis", "memcached"])
def test_a_server_that_does_not_answer(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"
        with store.open(url, timeout_s=0.1) as opened:
            for use in all_ways(opened):
                began = time.monotonic()
                with pytest.raises(StoreTimeout, match=r"no answer within 0\.1 s"):
                    use()
                assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("scheme", "command", "greeting", "answer"),
    [("redis", b"INCRBY", b"CLIENT", b"+OK\r\n"), ("memcached", b"gets ", b"version", b"VERSION 1\r\n")],
)
def test_nothing_is_sent_twice(scheme: str, command: bytes, greeting: bytes, answer: bytes) -> None:
    """A server that breaks off after a command may have executed it."""
    taken: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                with peer:
                    while data := peer.recv(10_000):
                        if command in data:
                            taken.append(data)
                            break
                        peer.sendall(answer * data.count(greeting))

        taker = threading.Thread(target=take)
        taker.start()
        try:
            url = f"{scheme}://127.0.0.1:{server.getsockname()[1]}"
            with store.open(url, timeout_s=5) as opened, pytest.raises(StoreError, match="closed|Close"):
                opened.incr("n")
        finally:
            server.shutdown(socket.SHUT_RDWR)
            taker.join(10)
    assert len(taken) == 1


@pytest.mark.parametrize("scheme", ["redis", "memcached"])
def test_a_server_that_talks_rubbish(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as odd:

        def talk() -> None:
            while True:
                try:
                    peer, _ = odd.accept()
                except OSError:
                    return
                with peer:
                    peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)
                    peer.recv(1000)

        talker = threading.Thread(target=talk)
        talker.start()
        try:
            with store.open(f"{scheme}://127.0.0.1:{odd.getsockname()[1]}", timeout_s=1) as opened:
                for use in all_ways(opened):
                    with pytest.raises(StoreError):
                        use()
        finally:
            odd.shutdown(socket.SHUT_RDWR)
            talker.join(10)


def test_a_killed_writer_loses_nothing_it_was_told_is_written(running: Running) -> None:
    """The value is in the server, where a killed worker leaves neither a lock nor half a write."""
    with running() as url, store.open(url) as opened:

        def work(pipe: Connection) -> None:
            for i in range(1_000_000):
                opened[f"{i}"] = b"%d" % i * 1000
                opened.incr("n")
                pipe.send(i)

        with Forked(work) as child:
            while (last := child.receive()) < 100:
                pass
            child.kill()
            while child.has_sent():
                try:
                    last = child.receive()
                except EOFError:
                    break
        assert all(opened[f"{i}"] == b"%d" % i * 1000 for i in range(last + 1))
        assert opened.incr("n") in (last + 2, last + 3)


def test_prefixes_keep_users_apart(running: Running) -> None:
    with running() as url:
        one, other, odd = (store.open(f"{url}?prefix={prefix}") for prefix in ("a", "x", "%5B*%3F%5D"))
        one["1"], other["1"], odd["1"] = b"one", b"other", b"odd"
        assert (one["1"], other["1"], odd["1"]) == (b"one", b"other", b"odd")
        if url.startswith("redis"):
            assert list(odd) == ["1"] and len(odd) == 1
            odd.clear()
            with store.open(f"{url}?prefix=") as everything:
                assert dict(everything) == {"a1": b"one", "x1": b"other"}
        for each in (one, other, odd):
            each.close()


@pytest.mark.slow
@pytest.mark.needs("redis-server")
def test_redis_values_are_there_as_they_are(redis_url: str) -> None:
    import redis

    with redis.Redis.from_url(redis_url) as client, store.open(redis_url) as opened:
        opened.set("kä", b"1", expires_s=100)
        assert client.get("webpy:kä") == b"1" and 99_000 < client.pttl("webpy:kä") <= 100_000
        client.rpush("webpy:list", "x")
        for use in (lambda: opened.get("list"), lambda: opened.incr("list")):
            with pytest.raises(StoreError, match="WRONGTYPE"):
                use()
        client.set(b"webpy:\xff", b"x")
        with pytest.raises(StoreError, match="is not of this store"):
            list(opened)
        assert client.delete("webpy:list", b"webpy:\xff") == 2


@pytest.mark.slow
@pytest.mark.needs("redis-server")
def test_redis_with_a_password(tmp_path: Path) -> None:
    port = free_port()
    with redis_server(tmp_path, "--requirepass", "s3cret", "--maxmemory", "3mb", port=port):
        with store.open(f"redis://:s3cret@127.0.0.1:{port}/1", timeout_s=5) as opened:
            opened["a"] = b"1"
            assert opened["a"] == b"1" and "s3cret" not in repr(opened)
            with pytest.raises(StoreError, match="maxmemory"):
                for i in range(100):
                    opened[f"{i}"] = b"x" * 100_000
        for url in (f"redis://127.0.0.1:{port}", f"redis://:s3cret2@127.0.0.1:{port}"):
            with pytest.raises(StoreError) as caught, store.open(url, timeout_s=5) as opened:
                opened.get("a")
            assert "s3cret" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.needs("redis-server")
def test_redis_connections_are_as_many_as_threads_ask(redis_url: str) -> None:
    with store.open(redis_url) as opened:
        before = opened._client.info("clients")["connected_clients"]  # type: ignore[attr-defined]
        for _ in range(100):
            opened.get("a")
        assert opened._client.info("clients")["connected_clients"] == before  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.needs("memcached")
def test_memcached_lists_nothing(memcached_url: str) -> None:
    with store.open(memcached_url) as opened:
        uses: list[Callable[[], object]] = [
            lambda: list(opened),
            lambda: len(opened),
            lambda: list(opened.items()),
            lambda: list(opened.values()),
            opened.popitem,
            opened.clear,
        ]
        for use in uses:
            with pytest.raises(StoreError, match="does not say which keys"):
                use()
        assert bool(opened) and opened.purge() == 0


@pytest.mark.slow
@pytest.mark.needs("memcached")
def test_memcached_refuses_what_is_too_large() -> None:
    with memcached_server() as url, store.open(url) as opened:
        with pytest.raises(StoreError, match="too large"):
            opened["a"] = b"x" * 2_000_000
        opened["a"] = b"x" * 1_000_000
        assert len(opened["a"]) == 1_000_000


@pytest.mark.slow
@pytest.mark.needs("memcached")
def test_memcached_on_a_socket(tmp_path: Path) -> None:
    with memcached_server(path=f"{tmp_path}/m.sock") as url, store.open(url) as opened:
        assert opened.incr("n") == 1


@pytest.mark.slow
@pytest.mark.needs("memcached")
def test_no_connection_to_memcached_crosses_a_fork(memcached_url: str) -> None:
    """A forked child has connections of its own; the `redis` package does that by itself."""
    with store.open(memcached_url) as opened:

        def connections() -> set[tuple[str, int]]:
            assert opened.get("none") is None
            return {client.sock.getsockname() for client in opened._clients._idle}  # type: ignore[attr-defined]

        mine = connections()
        with Forked(lambda pipe: pipe.send(connections())) as child:
            assert len(theirs := child.receive()) == 1 and not theirs & mine
        assert connections() == mine
