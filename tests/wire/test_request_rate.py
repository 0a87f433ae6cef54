"""`--max-request-rate` on the wire: all workers count together, a healthy client sees nothing of it, and connections go
on. Each test's clients have addresses of their own; what may be let in is reckoned with the time that it took."""

from __future__ import annotations

import itertools
import json
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack

import pytest
import trustme

from tests.server import Server

from .client import Client, Reply, get

Share = Callable[..., Server]
Limited = tuple[Server, ssl.SSLContext | None]
RATE = 5
PROXY = "127.0.0.2"
PLENTY = 3000  # requests: a client that sends so many one after the other is over its limit before

_addresses = (f"127.0.1.{number}" for number in itertools.count(1))


@pytest.fixture(scope="module", params=["one worker", "two workers under TLS"])
def limited(request: pytest.FixtureRequest, share: Share, tmp_path_factory: pytest.TempPathFactory) -> Limited:
    options = ["--max-request-rate", str(RATE), "--forwarded-allow-ips", PROXY]
    if request.param == "one worker":
        return share("life", *options, "--workers", "1"), None
    authority, pem = trustme.CA(), tmp_path_factory.mktemp("tls") / "server.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(pem))
    tls = ssl.create_default_context()
    authority.configure_trust(tls)
    return share("life", *options, "--workers", "2", "--certfile", str(pem), "--keyfile", str(pem)), tls


def come(limited: Limited, source: str) -> Client:
    return Client(limited[0], tls=limited[1], source=source)


def until_refused(client: Client, path: str = "/pid", method: str = "GET") -> Reply:
    """Ask until the client is over its limit; return that answer."""
    for _ in range(PLENTY):
        answer = client.ask(path, method=method)
        if answer.status == 429:
            return answer
        assert answer.status == 200
    raise AssertionError(f"{PLENTY} requests were let in")


def most(began_s: float) -> int:
    """How many requests a client may have been let in with, since then."""
    return RATE + int((time.monotonic() - began_s) * RATE) + 1


def test_all_workers_count_together(limited: Limited) -> None:
    source, began_s = next(_addresses), time.monotonic()
    found: Counter[int] = Counter()
    with ExitStack() as stack:
        clients = [stack.enter_context(come(limited, source)) for _ in range(8)]
        for client in clients * 20:
            answer = client.ask("/pid")
            found[answer.status] += 1
    assert RATE <= found[200] <= most(began_s) and found[200] + found[429] == 160


def test_a_burst_beside_a_healthy_client(limited: Limited) -> None:
    with come(limited, next(_addresses)) as busy, come(limited, next(_addresses)) as healthy:
        for _ in range(RATE):
            until_refused(busy)
            assert healthy.ask("/pid").status == 200


def test_what_a_refused_client_gets(limited: Limited) -> None:
    """The connection goes on: it is let in again when the second is over."""
    with come(limited, next(_addresses)) as client:
        answer = until_refused(client)
        assert (answer.reason, answer.get("Retry-After")) == ("Too Many Requests", "1")
        assert answer.text == "too many requests; try again in a second\n"
        assert answer.get("Connection") is None
        assert until_refused(client, method="HEAD").body == b""
        assert client.ask("/nothing/there").status in (404, 429)
        while client.ask("/pid").status == 429:
            pass


def test_a_request_with_a_body_is_refused_without_it(limited: Limited) -> None:
    """And nothing that comes behind is taken for a request."""
    with come(limited, next(_addresses)) as client:
        until_refused(client)
        for _ in range(PLENTY):
            client.send(get("/pid", "Content-Length: 50000", method="POST"))
            client.send(b"GET /pid HTTP/1.1\r\nHost: a\r\n\r\n".ljust(50000, b"x"))
            answer = client.read()
            if answer.status == 429:
                break
            assert answer.status == 200
        assert (answer.get("Connection"), answer.get("Retry-After")) == ("close", "1")
        client.ended()


def test_pipelined_requests_count(limited: Limited) -> None:
    with come(limited, next(_addresses)) as client:
        began_s = time.monotonic()
        client.send(get("/pid") * 60)
        found = Counter(client.read().status for _ in range(60))
        assert RATE <= found[200] <= most(began_s) and found[200] + found[429] == 60


def test_the_client_that_a_trusted_proxy_names(limited: Limited) -> None:
    """Many come by one connection of the proxy, which itself is not counted."""
    with come(limited, PROXY) as proxy:
        assert [proxy.ask("/pid").status for _ in range(4 * RATE)] == [200] * 4 * RATE
        for number in range(4 * RATE):
            named = f"X-Forwarded-For: 198.51.100.{number}"
            assert proxy.ask("/pid", named).status == 200
        for _ in range(PLENTY):
            if proxy.ask("/pid", "X-Forwarded-For: 2001:db8::1").status == 429:
                break
        else:
            raise AssertionError("let in for ever")
        limited[0].wait_for("2001:db8::1 asks more than|127.0.1.[0-9]+ asks more than")


def test_unix_sockets_are_not_counted(share: Share, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("unix") / "socket"
    server = share("life", "--workers", "1", "--max-request-rate", "1", "--bind", f"unix:{path}", bind=None)
    assert [server.get("/pid").status for _ in range(10)] == [200] * 10


def test_refusals_are_counted_and_logged(start: Callable[..., Server]) -> None:
    """In the status and the access log each, in the error log once a minute."""
    server = start("life", "--workers", "1", "--max-request-rate", "1", "--control", "control")
    server.wait_for("is ready")
    with Client(server) as client:
        found = Counter(client.ask("/pid").status for _ in range(30))
    assert found[429] and found[200] + found[429] == 30
    server.wait_for('" 429 41 ', server.log, count=found[429])
    command = [sys.executable, "-m", "webpy.cli", "ctl", "--control", str(server.cwd / "control")]
    told = subprocess.run([*command, "status", "--json"], capture_output=True, text=True, check=True).stdout
    assert json.loads(told)["totals"]["throttled"] == found[429]
    server.wait_for("127.0.0.1 asks more than 1 times a second")
    assert server.stop() == 0
    assert sum("asks more than" in line for line in server.errors) == 1
