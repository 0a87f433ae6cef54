"""What the admin address answers: the real process over HTTP, its master a stand-in."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.admin.conftest import Admin
from tests.admin.sample import sample, worker
from webpy.admin.handlers import is_local

Start = Callable[..., Admin]
PATHS = ("/", "/status.json", "/metrics", "/healthz", "/readyz", "/nothing", "/reload")


def fresh() -> None:
    """Until the status that is kept for half a second has gone."""
    time.sleep(0.55)


def test_what_there_is(admin: Start) -> None:
    there = admin()
    status = there.get("/status.json")
    assert status.status == 200 and status.headers["Content-Type"] == "application/json"
    found = json.loads(status.body)
    assert found["pid"] == 4700 and len(found["workers"]) == 2
    assert found["admin"]["changes"] is False and found["admin"]["ready"] is True and "history" not in found["admin"]
    assert isinstance(json.loads(there.get("/status.json?since=0").body)["admin"]["history"], list)
    assert there.get("/status.json?since=soon").status == 400
    page = there.get("/")
    assert page.status == 200 and page.headers["Content-Type"] == "text/html; charset=utf-8"
    metrics = there.get("/metrics", Accept="application/openmetrics-text")
    assert metrics.headers["Content-Type"].startswith("application/openmetrics-text")
    assert list(text_string_to_metric_families(metrics.body.decode()))
    assert (there.get("/healthz").status, there.get("/healthz").body) == (200, b"ok\n")
    assert (there.get("/readyz").status, there.get("/readyz?verbose").body) == (200, b"ready\n")
    assert there.ask("HEAD", "/").headers["Content-Length"] == str(len(page.body))
    assert there.get("/nothing").status == 404
    assert there.ask("PUT", "/reload").status == 405
    assert there.get("/reload").status == 405
    # what the application is served with is not this process' business
    for path in PATHS:
        headers = there.get(path).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "Access-Control-Allow-Origin" not in headers and "Set-Cookie" not in headers


def test_a_name_that_another_site_gave_this_machine(admin: Start) -> None:
    there = admin()
    for path in ("/", "/status.json", "/metrics", "/healthz"):
        refused = there.get(path, Host="attacker.example:9000")
        assert refused.status == 421 and b"pid" not in refused.body
    for host in ("localhost", "localhost:9000", "127.0.0.1", "127.1.2.3:80", "[::1]:9000"):
        assert there.get("/healthz", Host=host).status == 200


def test_what_is_local() -> None:
    for local in ("", "LOCALHOST", "127.0.0.1:0", "[::1]", "[::1]:80"):
        assert is_local(local)
    for other in ("0.0.0.0:80", "[::]:80", "10.0.0.1", "localhost.example", "127.0.0.1.example"):
        assert not is_local(other)


def test_bad_requests(admin: Start) -> None:
    there = admin(admin_token="secret")
    assert there.post("/reload?x=" + "y" * 9000, "secret").status == 414
    with socket.create_connection(there.address, timeout=10) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 400 ")
    assert there.ask("POST", "/reload", {"Authorization": "Bearer secret"}, b"x" * 70_000).status == 413
    assert there.get("/healthz").status == 200


def test_the_token(admin: Start) -> None:
    there = admin(admin_token="sécret")
    none = there.post("/reload")
    assert none.status == 401 and none.headers["WWW-Authenticate"] == 'Bearer realm="webpy"'
    for wrong in ("", "secret", "sécre", "sécrets", "x" * 4000):
        answer = there.ask("POST", "/scale?workers=3", {"Authorization": f"Bearer {wrong}"})
        assert answer.status == 401 and 'error="invalid_token"' in answer.headers["WWW-Authenticate"], wrong
    for field in ("Basic c8OpY3JldA==", "sécret", "Bearer"):
        assert there.ask("POST", "/reload", {"Authorization": field}).status == 401
    assert there.post("/reload?token=s%C3%A9cret").status == 401
    on_the_wire = "sécret".encode().decode("latin-1")
    answer = there.post("/reload", on_the_wire)
    assert answer.status == 202 and json.loads(answer.body) == {"ok": True, "text": "reload begun"}
    asked = there.heard()
    assert asked["command"] == "reload" and asked["wait"] is False
    assert there.ask("POST", "/scale?workers=3", {"Authorization": f"bearer  {on_the_wire}"}).status == 200
    assert there.heard()["workers"] == 3
    assert json.loads(there.get("/status.json").body)["admin"]["changes"] is True
    assert b"s\xc3\xa9cret" not in there.get("/status.json").body


def test_without_a_token_nothing_changes(admin: Start) -> None:
    there = admin()
    for token in (None, "", "secret"):
        answer = there.post("/reload", token)
        assert answer.status == 403 and b"--admin-token" in answer.body
        assert there.post("/scale?workers=2", token).status == 403
    assert "looks" in there.tell(count=True)  # and the next thing heard is this: no command came before


def test_scale_wants_a_number(admin: Start) -> None:
    there = admin(admin_token="secret")
    wrong = ("0", "-1", "two", "2&workers=3", "%D9%A3", "1e3", "99999999999", "2%20", "")
    for query in ("", "?workers", "?w=1", *(f"?workers={value}" for value in wrong)):
        answer = there.post("/scale" + query, "secret")
        assert answer.status == 400, query
        assert json.loads(answer.body)["text"].startswith("workers: got "), query
    assert "looks" in there.tell(count=True)


def test_a_master_that_refuses(admin: Start) -> None:
    there = admin(admin_token="secret")
    there.tell(refusal="the server is stopping")
    answer = there.post("/reload", "secret")
    assert answer.status == 409
    assert json.loads(answer.body) == {"ok": False, "text": "the server is stopping"}


def test_another_site_cannot_ask_for_a_change(admin: Start) -> None:
    """A browser asks first before it sends Authorization to another site, and is not given leave."""
    there = admin(admin_token="secret")
    preflight = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    answer = there.ask("OPTIONS", "/reload", preflight)
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def test_readiness_follows_the_master(admin: Start) -> None:
    there = admin()
    there.tell(status=sample(stage="starting", workers=[worker(0, state="boot")]))
    assert there.get("/readyz").body == b"not ready: the server is starting\n"
    assert there.get("/healthz").status == 200
    there.tell(status=sample())
    fresh()
    assert there.get("/readyz").status == 200
    there.tell(status=sample(workers=[worker(0, state="draining")]))
    fresh()
    assert there.get("/readyz").body == b"not ready: no worker accepts connections\n"
    there.tell(status=sample(stage="stopping"))
    fresh()
    assert there.get("/readyz").status == 503


def test_many_askers_are_one_to_the_master(admin: Start) -> None:
    there = admin()
    before = there.tell(count=True)["looks"]
    began = time.monotonic()
    threads = [threading.Thread(target=lambda: [there.get(path) for path in PATHS[:5]]) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    assert there.tell(count=True)["looks"] - before <= took / 0.5 + 2


def test_a_silent_master(admin: Start) -> None:
    there = admin(admin_token="secret")
    since = json.loads(there.get("/status.json").body)["admin"]["at"]
    there.tell(mute=True)
    fresh()
    health = there.get("/healthz")
    assert health.status == 503 and b"does not answer" in health.body
    assert there.get("/readyz").status == 503
    answer = there.get("/status.json")
    assert answer.status == 503
    assert json.loads(answer.body)["since"] >= since - 0.01
    assert there.get("/metrics").status == 503
    assert there.get("/").status == 200  # the page says it in its own words
    there.tell(mute=False)
    fresh()
    assert there.get("/healthz").status == 200
