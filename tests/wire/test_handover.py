"""Connections that outlive their worker: reloads and scaling under clients that keep them, stops that lose nothing."""

from __future__ import annotations

import os
import signal
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import trustme

from tests.server import Server

from .client import Client, get, until

Start = Callable[..., Server]

pytestmark = pytest.mark.slow  # whole reloads, under load

RELOADS = 2


def start_workers(start: Start, workers: int, *options: str) -> Server:
    server = start("life", "--workers", str(workers), *options)
    server.wait_for(r"worker \d+ gen 1 .* is ready", count=workers)
    return server


def pid_of(client: Client) -> int:
    reply = client.ask("/pid")
    assert (reply.status, reply.get("Connection")) == (200, None)
    return int(reply.text)


def reload(server: Server, generation: int, workers: int) -> None:
    """Reload, and wait until the workers before have gone."""
    server.send(signal.SIGHUP)
    server.wait_for(f"reload done: generation {generation} ")
    server.wait_for(rf"worker \d+ gen {generation - 1} \[\d+\] exited with status 0", count=workers)


def port_of(client: Client) -> int:
    port: int = client.sock.getsockname()[1]
    return port


# -- reloads ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_idle_connections_go_on_through_reloads(start: Start, workers: int) -> None:
    server = start_workers(start, workers)
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server)) for _ in range(40)]
        silent = [stack.enter_context(Client(server)) for _ in range(10)]  # that have asked nothing yet
        pids = {pid_of(client) for client in clients}
        for generation in range(2, 2 + RELOADS):
            reload(server, generation, workers)
            for client in clients + silent:
                client.nothing_yet()
            now = {pid_of(client) for client in clients}
            assert not now & pids
            assert len(now) == workers
            pids = now
        for client in silent:
            assert pid_of(client) in pids
        for client in clients:  # the peer's address has travelled along
            assert client.ask("/pid", method="PUT").text.split()[0] == str(port_of(client))
    assert server.stop() == 0
    assert len(server.log) == sum(" 200 " in line for line in server.log) == 40 * (RELOADS + 2) + 10
    assert all(line.startswith("127.0.0.1 - - [") for line in server.log)


@pytest.mark.parametrize("bind", ["unix:here.sock", "[::1]:0"])
def test_other_families_move_too(serve: Callable[..., Server], bind: str, tmp_path: Path) -> None:
    server = serve(Path(__file__).parent / "apps" / "life.py", "--workers", "1", "--bind", bind, bind=None)
    server.wait_for("gen 1 .* is ready")
    with server.connect() as sock:
        pids = []
        for generation in (1, 2):
            if generation == 2:
                reload(server, generation, 1)
            for _ in range(2):
                sock.sendall(get("/pid"))
                pids.append(sock.recv(9999).rpartition(b"\r\n\r\n")[2])
        assert pids[0] == pids[1] != pids[2] == pids[3]
    assert server.stop() == 0
    assert all(line.startswith("unix " if bind.startswith("unix") else "::1 ") for line in server.log)


def test_a_head_that_has_begun_is_finished_elsewhere(start: Start) -> None:
    server = start_workers(start, 1)
    with Client(server) as client, Client(server) as fresh:
        before = pid_of(client)
        for each in (client, fresh):
            each.send(get("/pid")[:7])
        pid_of_another(server)  # the leader has read them
        reload(server, 2, 1)
        for each in (client, fresh):
            each.send(get("/pid")[7:])
            assert int(each.read().text) != before
            pid_of(each)


def pid_of_another(server: Server) -> int:
    with Client(server) as client:
        return pid_of(client)


def test_a_request_behind_one_that_runs_is_answered_elsewhere_and_after_it(start: Start, tmp_path: Path) -> None:
    server = start_workers(start, 1)
    with Client(server) as client:
        before = pid_of(client)
        client.send(get("/held/a") + get("/pid?1") + get("/pid?2"))
        until((tmp_path / "began-a").exists, "the handler runs")
        client.send(get("/pid?3"))
        server.send(signal.SIGHUP)
        server.wait_for("reload done")
        client.nothing_yet()
        (tmp_path / "go-a").touch()
        reply = client.read()
        assert (reply.text, reply.get("Connection")) == (f"a {before}", None)
        pids = {int(client.read().text) for _ in range(3)}
        assert len(pids) == 1 and before not in pids
        assert pid_of(client) in pids


@pytest.mark.parametrize("kind", ["stream", "upload", "large"])
def test_what_takes_its_time_ends_where_it_began_and_then_moves(start: Start, tmp_path: Path, kind: str) -> None:
    server = start_workers(start, 1)
    with Client(server, receive_buffer_bytes=4096 if kind == "large" else 0) as client:
        before = pid_of(client)
        if kind == "stream":
            client.send(get("/stream/a"))
            client.take(10)
        elif kind == "upload":
            client.send(get("/", method="POST", body=b"x" * 50_000)[:20_000])
            pid_of_another(server)
        else:
            client.send(get("/large/4"))
            client.take(10)
        server.send(signal.SIGHUP)
        server.wait_for("reload done")
        until(lambda: pid_of_another(server) != before, "the new worker serves")
        if kind == "stream":
            (tmp_path / "go-a").touch()
        elif kind == "upload":
            client.send(get("/", method="POST", body=b"x" * 50_000)[20_000:])
        reply = client.read()
        assert reply.get("Connection") is None
        if kind == "large":
            assert len(reply.body) == 4 << 20
        else:
            assert reply.text.endswith(str(before))
        server.wait_for(r"worker 0 gen 1 \[\d+\] exited with status 0")
        assert pid_of(client) != before


class Asker:
    """A client that keeps its one connection, come what may."""

    def __init__(self, server: Server, path: str, think_s: float) -> None:
        self.answers = 0
        self.worst_s = 0.0
        self.pids: set[bytes] = set()
        self.failure: BaseException | None = None
        self._client = Client(server)
        self._path = path
        self._think_s = think_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._think_s):
                began = time.monotonic()
                reply = self._client.ask(self._path)
                assert (reply.status, reply.get("Connection")) == (200, None)
                self.worst_s = max(self.worst_s, time.monotonic() - began)
                self.answers += 1
                self.pids.add(reply.body)
        except BaseException as error:
            self.failure = error

    def end(self) -> None:
        self._stop.set()
        self._thread.join()
        self._client.close()


@contextmanager
def asking(server: Server, *kinds: tuple[str, float], each: int) -> Iterator[list[Asker]]:
    askers = [Asker(server, path, think_s) for path, think_s in kinds for _ in range(each)]
    try:
        yield askers
    finally:
        for asker in askers:
            asker.end()


def test_no_connection_is_closed_by_reloads_under_load(start: Start) -> None:
    """Quick handlers and waiting ones, busy clients and clients that think."""
    server = start_workers(start, 2)
    with asking(server, ("/pid", 0.0), ("/pid", 0.01), ("/wait/2", 0.0), ("/wait/2", 0.01), each=4) as askers:
        for generation in range(2, 2 + RELOADS):
            reload(server, generation, 2)
            seen = [asker.answers for asker in askers]
            until(
                lambda seen=seen: all(a.failure or a.answers > n for a, n in zip(askers, seen, strict=True)),
                "more answers",
            )
    assert [asker.failure for asker in askers] == [None] * len(askers)
    assert len(set().union(*(asker.pids for asker in askers))) >= 2 + RELOADS
    assert max(asker.worst_s for asker in askers) < 1.0
    assert server.stop() == 0
    assert len(server.log) == sum(asker.answers for asker in askers)


# -- scaling ----------------------------------------------------------------------------------------------------------


def test_a_worker_fewer_closes_nothing(start: Start) -> None:
    server = start_workers(start, 2)
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server)) for _ in range(20)]
        assert len({pid_of(client) for client in clients}) == 2
        server.send(signal.SIGTTOU)
        server.wait_for(r"worker 1 gen 1 \[\d+\] exited with status 0")
        assert len({pid_of(client) for client in clients}) == 1
    assert server.stop() == 0


# -- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[str, ...], ssl.SSLContext]:
    """Options of a server, and the context of its clients."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(str(folder / "chain.pem"))
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return ("--certfile", str(folder / "chain.pem"), "--keyfile", str(folder / "key.pem")), context


def test_under_tls_a_connection_has_one_more_answer(start: Start, tls: tuple[tuple[str, ...], ssl.SSLContext]) -> None:
    options, context = tls
    server = start_workers(start, 1, *options)
    with Client(server, tls=context) as client, Client(server, tls=context) as silent:
        before = pid_of(client)
        server.send(signal.SIGHUP)
        server.wait_for("reload done")
        client.nothing_yet()
        for each in (client, silent):
            reply = each.ask("/pid")
            assert (reply.text, reply.get("Connection")) == (str(before), "close")
            each.ended()
        with Client(server, tls=context) as again:
            assert pid_of(again) != before
        server.wait_for(r"worker 0 gen 1 \[\d+\] exited with status 0")
    assert server.stop() == 0


def test_under_tls_an_idle_connection_ends_before_the_drain_timeout(
    start: Start, tls: tuple[tuple[str, ...], ssl.SSLContext]
) -> None:
    options, context = tls
    server = start_workers(start, 1, *options, "--drain-timeout", "1")
    with Client(server, tls=context) as client:
        pid_of(client)
        server.send(signal.SIGHUP)
        server.wait_for("reload done")
        client.ended()  # with close_notify
        server.wait_for(r"worker 0 gen 1 \[\d+\] exited with status 0")  # and nobody was killed


# -- stop -------------------------------------------------------------------------------------------------------------


def test_a_stop_loses_no_request_of_a_client_in_think_time(
    start: Start, tls: tuple[tuple[str, ...], ssl.SSLContext]
) -> None:
    options, context = tls
    for more, over in (((), None), (options, context)):
        server = start_workers(start, 2, *more)
        with ExitStack() as stack:
            clients = [stack.enter_context(Client(server, tls=over)) for _ in range(10)]
            for client in clients:
                pid_of(client)
            server.send(signal.SIGTERM)
            server.wait_for("stopping")
            for client in clients[::2]:
                while client.ask("/pid").get("Connection") is None:  # the workers have not heard of it yet
                    pass
            for client in clients:
                client.ended()
            assert server.wait() == 0


def test_a_stop_in_the_middle_of_a_reload_loses_nothing_that_moves(start: Start, tmp_path: Path) -> None:
    server = start_workers(start, 1)
    with ExitStack() as stack:
        held = stack.enter_context(Client(server))
        clients = [stack.enter_context(Client(server)) for _ in range(30)]
        before = pid_of(held)
        for client in clients:
            pid_of(client)
        held.send(get("/held/a"))
        until((tmp_path / "began-a").exists, "the handler runs")
        os.kill(before, signal.SIGSTOP)  # so that DRAIN and STOP come to it at once
        server.send(signal.SIGHUP)
        server.wait_for(r"worker 0 gen 2 .* is ready")
        server.send(signal.SIGTERM)
        server.wait_for("stopping")
        for client in clients:
            client.send(get("/pid"))
        os.kill(before, signal.SIGCONT)
        for client in clients:
            assert client.read().status == 200
            client.ended()
        (tmp_path / "go-a").touch()
        assert held.read().text == f"a {before}"
    assert server.wait() == 0


# -- kill -------------------------------------------------------------------------------------------------------------


def test_a_killed_worker_leaves_a_line_for_requests_that_wait_or_are_being_sent(start: Start, tmp_path: Path) -> None:
    server = start_workers(start, 1, "--threads", "2")
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server)) for _ in range(8)]
        victim = pid_of(clients[0])
        slow = stack.enter_context(Client(server, receive_buffer_bytes=4096))
        slow.send(get("/large/8"))
        slow.take(10)
        upload = stack.enter_context(Client(server))
        upload.send(get("/upload", method="POST", body=b"x" * 5000)[:2000])
        for number, client in enumerate(clients):
            client.send(get(f"/held/{number}"))
        until(lambda: len(list(tmp_path.glob("began-*"))) >= 2, "handlers run, the others wait for a thread")
        with Client(server) as bad:
            bad.send(b"bad\r\n\r\n")
            assert bad.read().status == 400
        server.wait_for('"bad" 400 ', server.log)  # the leader has come round
        os.kill(victim, signal.SIGKILL)
        server.wait_for(" killed ", server.log, count=10)
        for client in (*clients, slow, upload):
            with pytest.raises((AssertionError, ConnectionResetError, EOFError)):
                client.read()
        server.wait_for(r"worker 0 gen 1 .* is ready", count=2)
    assert server.stop() == 0
    killed = sorted(line.partition('"')[2].partition(" HTTP")[0] for line in server.log if " killed " in line)
    assert killed == sorted([*(f"GET /held/{number}" for number in range(8)), "GET /large/8", "POST /upload"])
