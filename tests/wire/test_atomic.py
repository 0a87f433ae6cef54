"""Atomic resources over real sockets: readers and writers on several workers, one of which is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.server import ROOT, Server

from .client import Client, get, until

Serve = Callable[..., Server]


@pytest.fixture(scope="module")
def server(share: Callable[..., Server]) -> Server:
    started = share("atomic", "--workers", "2")
    started.wait_for(r"worker \d .* is ready", count=2)
    return started


@pytest.fixture
def visitors(server: Server) -> Iterator[dict[int, list[Client]]]:
    """Clients by the pid of the worker that has their connection: three of each."""
    with ExitStack() as stack:
        found: dict[int, list[Client]] = {}
        while [len(clients) for clients in found.values()] != [3, 3]:
            client = stack.enter_context(Client(server))
            of_this = found.setdefault(int(client.ask("/pid").text), [])
            if len(of_this) < 3:
                of_this.append(client)
            else:
                client.close()
        yield found


class Room:
    """What stands in the folder where the server runs."""

    def __init__(self, server: Server, name: str) -> None:
        self._folder = server.cwd
        self.path = f"/room/{name}"

    def inside(self) -> set[str]:
        return {path.name.removeprefix("inside-") for path in self._folder.glob("inside-*")}

    def wait_for(self, *names: str) -> None:
        until(lambda: self.inside() == set(names), f"{names} inside")

    def let_go(self, *names: str) -> None:
        for name in names:
            (self._folder / f"go-{name}").touch()

    def enter(self, client: Client, name: str, method: str = "GET") -> None:
        client.send(get(f"{self.path}?{name}", method=method))


def test_readers_of_all_workers_beside_each_other_and_no_writer(
    server: Server, visitors: dict[int, list[Client]]
) -> None:
    room = Room(server, "readers")
    (one, two, writer), (three, four, late) = visitors.values()
    for client, name in ((one, "r1"), (two, "r2"), (three, "r3"), (four, "r4")):
        room.enter(client, name)
    room.wait_for("GET-r1", "GET-r2", "GET-r3", "GET-r4")
    room.enter(writer, "w1", "PUT")
    room.let_go("r1", "r2", "r3")
    assert one.read().status == two.read().status == three.read().status == 200
    room.wait_for("GET-r4")
    room.let_go("late")
    late.send(get("/room/other?late", method="PUT"))
    assert late.read().status == 200  # another resource
    assert room.inside() == {"GET-r4"}
    room.let_go("r4")
    assert four.read().status == 200
    room.wait_for("PUT-w1")
    room.enter(one, "r5")
    room.enter(three, "w2", "PUT")
    writer.nothing_yet()
    assert room.inside() == {"PUT-w1"}
    room.let_go("w1", "r5", "w2")
    assert [client.read().status for client in (writer, one, three)] == [200] * 3


def test_an_error_lets_the_next_in(server: Server, visitors: dict[int, list[Client]]) -> None:
    room = Room(server, "errors")
    (one, *_), (two, *_) = visitors.values()
    assert one.ask(room.path, method="DELETE").status == 500
    assert one.ask(room.path + "?x", method="DELETE").status == 409
    room.let_go("e")
    assert two.ask(room.path + "?e", method="PUT").status == 200


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_a_killed_worker_frees_its_locks(server: Server, visitors: dict[int, list[Client]], method: str) -> None:
    room = Room(server, f"killed-{method}")
    doomed, other = visitors
    room.enter(visitors[doomed][0], f"holder-{method}", method)
    room.wait_for(f"{method}-holder-{method}")
    room.enter(visitors[doomed][1], f"waits-{method}", "PUT")
    room.enter(visitors[other][0], f"next-{method}", "PUT")
    visitors[other][0].nothing_yet()
    os.kill(doomed, signal.SIGKILL)
    room.wait_for(f"{method}-holder-{method}", f"PUT-next-{method}")  # the dead one's file stays
    (server.cwd / f"inside-{method}-holder-{method}").unlink()
    room.let_go(f"next-{method}")
    assert visitors[other][0].read().text == f"next-{method} {other}"
    server.wait_for(rf'"{method} /room/killed-{method}\?holder-{method} HTTP/1.1" killed ', server.log)


def test_the_example(serve: Serve, tmp_path: Path) -> None:
    server = serve(ROOT / "examples" / "atomic.py", "--workers", "2")
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server)) for _ in range(12)]
        payment = get("/accounts/ann", method="POST", body=b"1")
        for client in clients:
            client.send(payment * 20)  # which come without a pause, on both workers
        for client in clients:
            assert {client.read().status for _ in range(20)} == {200}
        assert clients[0].ask("/accounts/ann").text == "240\n"
    assert os.listdir(tmp_path / "accounts") == ["ann"]
    for bad in (b"", b"1.5", b"a", b"9" * 5000):
        assert server.request("POST", "/accounts/bob", bad).status == 400
    assert server.get("/accounts/bob").status == 404
    assert server.get("/accounts/..").status == 404
