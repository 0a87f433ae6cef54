"""Handlers and answers that are wrong in every way: they cost their own connection at most, never the worker's."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server import Server

from .apps import faults
from .client import Client, get

EVERYTHING = [(kind, name) for kind, names in faults.NAMES.items() for name in names]


@pytest.fixture(scope="module")
def server(share: Callable[..., Server]) -> Server:
    return share("faults", "--workers", "1", "--threads", "4")


@pytest.fixture(scope="module")
def witness(server: Server) -> Iterator[Client]:
    """A connection that was opened before all faults, and its worker's pid."""
    with Client(server) as client:
        client.pid = client.ask("/pid").text  # type: ignore[attr-defined]
        yield client


def stays(witness: Client) -> None:
    """The witness is still served, and by the same worker."""
    assert witness.ask("/pid").text == witness.pid  # type: ignore[attr-defined]


def comes_to_an_end(server: Server, request: bytes) -> bytes:
    """Send it, and another request that ends the connection; what comes back until the end or a reset."""
    with Client(server) as client:
        client.send(request + get("/pid", "Connection: close"))
        try:
            return client.rest()  # a hang is a timeout
        except ConnectionResetError:
            return client._data


def target(pace: str, kind: str, name: str) -> str:
    return f"/{pace}/{kind}/{quote(name)}"


@pytest.mark.parametrize(("kind", "name"), EVERYTHING)
def test_each_fault_is_answered_or_reset_and_the_worker_stays(
    server: Server, witness: Client, kind: str, name: str
) -> None:
    for version in ("HTTP/1.1", "HTTP/1.0"):
        for method in ("GET", "HEAD"):
            got = comes_to_an_end(server, get(target("quick", kind, name), version=version, method=method))
            assert not got or got.startswith(b"HTTP/1."), got[:100]
            if not got:  # broken off before anything was sent: only where no handler can be blamed
                assert name in faults.BOUNDARY
    stays(witness)


REQUESTS = st.tuples(
    st.sampled_from(faults.PACES),
    st.sampled_from(EVERYTHING),
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS"]),
    st.sampled_from(["HTTP/1.1", "HTTP/1.0"]),
    st.sampled_from([(), ("Connection: keep-alive",), ("Connection: close",), ("Expect: 100-continue",)]),
    st.sampled_from([b"", b"x", b"x" * 70_000]),
)


@settings(max_examples=60)
@given(requests=st.lists(REQUESTS, min_size=1, max_size=8))
def test_faults_in_any_order_and_on_one_connection_leave_the_worker_as_it_was(
    server: Server, witness: Client, requests: list[tuple[str, tuple[str, str], str, str, tuple[str, ...], bytes]]
) -> None:
    data = b"".join(
        get(target(pace, *what), *fields, method=method, version=version, body=body)
        for pace, what, method, version, fields, body in requests
    )
    got = comes_to_an_end(server, data)
    assert not got or got.startswith(b"HTTP/1."), got[:100]
    stays(witness)


@pytest.mark.parametrize("status", [418, 409])
def test_an_error_handler_that_is_wrong_costs_its_request_only(server: Server, witness: Client, status: int) -> None:
    with Client(server) as client:
        assert client.ask(f"/error/{status}").status == 500
        assert client.ask("/pid").text == witness.pid  # type: ignore[attr-defined]
    stays(witness)


@pytest.mark.parametrize("name", ["exit", "interrupt", "generator"])
@pytest.mark.parametrize("pace", faults.PACES)
def test_what_would_end_a_thread_ends_its_request_with_a_logged_500(server: Server, pace: str, name: str) -> None:
    with Client(server) as client:
        for _ in range(4):
            assert client.ask(target(pace, "raised", name)).status == 500
        assert client.ask("/pid").status == 200
    server.wait_for(rf"GET /{pace}/raised/{name} \(Wrong\) raised", count=4)


def test_a_fault_of_the_worker_itself_is_logged_once_with_its_stack(server: Server) -> None:
    before = len(server.errors)
    for _ in range(3):
        comes_to_an_end(server, get("/quick/class/methodfor"))
    server.wait_for(r"an event of a connection of 127\.0\.0\.1 failed; it is reset")
    server.wait_for("RuntimeError: boom", server.errors[before:] or server.errors)
    told = [line for line in server.errors if re.search("an event of a connection", line)]
    assert 1 <= len(told) <= 2, "one for each place"


def test_after_all_that_every_handler_still_works(server: Server, witness: Client) -> None:
    with Client(server) as client:
        for pace in faults.PACES:
            for _ in range(20):
                assert client.ask(f"/{pace}/class/well").body == b"x"
    stays(witness)


def test_a_worker_that_has_lost_its_poller_ends_with_an_error_and_is_replaced(start: Callable[..., Server]) -> None:
    server = start("faults", "--workers", "1")
    pid = server.get("/pid").body
    with Client(server) as client:
        client.send(get("/blinds"))
        server.wait_for(r"\[critical\] the loop cannot poll any more \(.*\); the worker ends")
        server.wait_for(r"\[error\] worker 0 gen 1 \[\d+\] exited with status 1")
    server.wait_for(r"worker 0 gen 1 \[\d+\] is ready", count=2)
    assert server.get("/pid").body != pid


def test_loggers_that_raise_cost_nobody_anything(serve: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import logging, os, webpy\n"
        "class Raises(logging.Handler):\n"
        "    def emit(self, record): raise SystemExit('no log')\n"
        "log = logging.Logger('raises'); log.addHandler(Raises())\n"
        "class Fails(webpy.HTTPHandler):\n"
        "    def do_get(self): raise RuntimeError('a bug')\n"
        "class Pid(webpy.HTTPHandler):\n"
        "    def do_get(self): return 200, str(os.getpid())\n"
        "routes = {'/fails': Fails, '/pid': Pid}\n"
        "webpy.HTTPServer(('127.0.0.1', 0), routes, log=log, http_log=log, workers=1).run()\n"
    )
    server = serve("", bind=None, program=[sys.executable, "app.py"])
    with Client(server) as client, Client(server) as other:
        pid = other.ask("/pid").text
        for _ in range(3):
            assert client.ask("/fails").status == 500
            assert client.ask("/pid").text == other.ask("/pid").text == pid
    server.wait_for("RuntimeError: a bug")
    server.wait_for("SystemExit: no log")
