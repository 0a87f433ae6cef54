"""`webpy.ratelimit`: what counts together, what clients are told, a store that is down, and limits on the wire."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import re
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.heads import request_of
from tests.matrix import HOSTS, OWN, TEXT
from tests.server import Server
from tests.services import free_port, memcached_server, redis_server
from webpy import HTTPError, HTTPHandler, logthrottle, ratelimit
from webpy.auth import BasicAuthMixIn
from webpy.cors import CORSMixIn
from webpy.framework.routing.routes import compile_routes
from webpy.ratelimit import RateLimitMixIn
from webpy.store import MemoryStore, StoreError

APP = Path(__file__).parent / "ratelimited.py"
ONE, OTHER = "127.0.0.1", "127.0.0.2"  # addresses that the tests' own clients have


@pytest.fixture(autouse=True)
def nothing_logged() -> None:
    """What is logged once a minute has not been logged by another test."""
    logthrottle._counts._logged.clear()


class Limited(RateLimitMixIn):
    """Three requests an hour; each test makes subclasses with a store of their own."""

    ratelimit_requests, ratelimit_window_s = 3, 3600
    ratelimit_store = MemoryStore(per_worker=True)

    def do_get(self) -> Any:
        return 200, "here\n"


def made(*bases: type, **members: Any) -> type[RateLimitMixIn]:
    """A handler with a store of its own."""
    members.setdefault("ratelimit_store", MemoryStore(per_worker=True))
    found = type("Made", (*bases, Limited), members)
    assert issubclass(found, RateLimitMixIn)
    return found


def ask(cls: type[HTTPHandler], *fields: str, host: str = "192.0.2.1", method: str = "GET") -> tuple[int, HTTPHandler]:
    """Return the status that a request is answered with, and its handler."""
    request = request_of(method, "/", *fields)
    request._peer = Peer(request._peer, host)  # type: ignore[assignment]
    handler = cls(request, ())  # type: ignore[arg-type]
    try:
        return int(handler.respond()[0]), handler
    except HTTPError as error:
        return error.status, handler


class Peer:
    """The end of a connection from this address."""

    def __init__(self, peer: Any, host: str) -> None:
        self._peer = peer
        self.origin = peer.origin._replace(client_address=(host, 1))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._peer, name)


def statuses(cls: type[HTTPHandler], count: int = 5, **keywords: Any) -> list[int]:
    return [ask(cls, **keywords)[0] for _ in range(count)]


# -- what counts together ---------------------------------------------------------------------------------------------


def test_each_client_has_its_own() -> None:
    cls = made()
    assert statuses(cls) == [200, 200, 200, 429, 429]
    assert statuses(cls, 1, host="192.0.2.2") == [200]
    network = ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:1", "2001:db8::3"]
    assert [ask(cls, host=host)[0] for host in network] == [200, 200, 200, 429]
    assert statuses(cls, 1, host="2001:db8:0:1::1") == [200]
    assert statuses(cls, 1, host="::ffff:192.0.2.1") == [429]


def test_subclasses_share_what_they_did_not_set() -> None:
    store = MemoryStore(per_worker=True)
    base = made(ratelimit_requests=3, ratelimit_store=store)
    one, other = type("One", (base,), {}), type("Other", (base,), {})
    own = type("Own", (base,), {"ratelimit_requests": 2})
    assert [ask(cls)[0] for cls in (one, other, one, other)] == [200, 200, 200, 429]
    assert statuses(own, 3) == [200, 200, 429]


def test_a_name_is_shared_by_those_that_have_it() -> None:
    store = MemoryStore(per_worker=True)
    one, other = (made(ratelimit_requests=2, ratelimit_name="api", ratelimit_store=store) for _ in range(2))
    assert [ask(cls)[0] for cls in (one, other, one)] == [200, 200, 429]
    third = made(ratelimit_requests=2, ratelimit_name="more", ratelimit_store=store)
    assert statuses(third, 1) == [200]


def test_two_limits_are_refused() -> None:
    one, other = made(ratelimit_requests=1), made(ratelimit_requests=2)
    one.__qualname__, other.__qualname__ = "One", "Other"
    with pytest.raises(TypeError, match="^Both: has the limits of One and Other, wanted one: set it in Both$"):
        type("Both", (one, other), {})
    type("Both", (one, other), {"ratelimit_requests": 1})
    type("Plain", (type("Settings", (), {"ratelimit_requests": 9}), one), {})


def test_before_every_answer_of_a_target() -> None:
    """But for handlers that have a limit of their own, which is the one that counts."""

    class Plain(HTTPHandler):
        def do_get(self) -> Any:
            return 200, "plain\n"

    class Everywhere(RateLimitMixIn):
        ratelimit_requests, ratelimit_store = 3, MemoryStore(per_worker=True)

    routes = compile_routes({"/plain": Plain, "/own": made(ratelimit_requests=1)}, {}, (Everywhere,))
    plain, own, missing = (routes.resolve(path, "")[0].handler for path in ("/plain", "/own", "/missing"))
    assert [ask(cls)[0] for cls in (plain, missing, own, own, plain, missing)] == [200, 404, 200, 429, 200, 429]


def test_another_key() -> None:
    def by_key(self: RateLimitMixIn) -> str | None:
        return self.request.headers.get("X-Key")

    cls = made(ratelimit_key=by_key)
    for key in ("a", "\xe9", "k" * 5000):
        assert [ask(cls, f"X-Key: {key}")[0] for _ in range(4)] == [200, 200, 200, 429]
    assert statuses(cls) == [200] * 5  # None: not limited
    assert "RateLimit" not in ask(cls)[1].response.headers


def test_a_key_that_is_none_is_told() -> None:
    cls = made(ratelimit_key=lambda self: 5)
    with pytest.raises(TypeError, match=r"Made.ratelimit_key: got 5, wanted a str or None"):
        ask(cls)


def test_clients_without_an_address_are_not_limited(caplog: pytest.LogCaptureFixture) -> None:
    assert statuses(made(), host="unix") == [200] * 5
    (record,) = [each for each in caplog.records if "unix socket" in each.message]
    assert "--forwarded-allow-ips" in record.message


# -- what clients are told --------------------------------------------------------------------------------------------


def test_fields() -> None:
    cls = made(ratelimit_requests=4, ratelimit_window_s=3600, ratelimit_burst=2, ratelimit_name='of "A\\B"')
    handlers = [ask(cls)[1] for _ in range(3)]
    name = r'"of \"A\\B\""'
    for handler, left in zip(handlers, (1, 0, 0), strict=True):
        for headers in (handler.response.headers, handler.request.error_headers):
            assert headers["RateLimit-Policy"] == f"{name};q=4;w=3600"
            found = re.fullmatch(rf"{re.escape(name)};r={left};t=(\d+)", headers["RateLimit"])
            assert found and 895 <= int(found[1]) <= 900


def test_retry_after_is_when_it_is_let_in_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from webpy.store import base

    cls, now_us = made(ratelimit_requests=7, ratelimit_window_s=3600), base.now_us()
    monkeypatch.setattr(base, "now_us", lambda: now_us)
    assert statuses(cls, 8) == [200] * 7 + [429]
    now_us += 13_500_000
    handler = ask(cls)[1]
    handler._is_counted = False  # type: ignore[attr-defined]
    with pytest.raises(HTTPError) as caught:
        handler.respond()
    assert caught.value.headers is not None
    after = int(caught.value.headers["Retry-After"])
    assert caught.value.message == f"over the limit of 7 requests in 3600 s; try again in {after} s\n"
    now_us += (after - 1) * 1_000_000
    assert statuses(cls, 1) == [429]
    now_us += 1_000_000
    assert statuses(cls, 2) == [200, 429]


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [
        ("ratelimit_requests", 0, "a whole number, at least 1"),
        ("ratelimit_requests", "5", "a whole number, at least 1"),
        ("ratelimit_requests", True, "a whole number, at least 1"),
        ("ratelimit_burst", 0, "a whole number, at least 1"),
        ("ratelimit_burst", 10**6, "so few that they come back within 1e+08 s at 3 in 3600 s"),
        ("ratelimit_max_clients", None, "a whole number, at least 1"),
        ("ratelimit_window_s", 0.5, "seconds, 1 to 1e8"),
        ("ratelimit_window_s", float("nan"), "seconds, 1 to 1e8"),
        ("ratelimit_name", "", "printable ASCII, or None"),
        ("ratelimit_name", "a\nb", "printable ASCII, or None"),
        ("ratelimit_name", "\xe9", "printable ASCII, or None"),
    ],
)
def test_options_are_checked(option: str, value: object, wanted: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"Made.{option}: got {value!r}, wanted {wanted}")):
        made(**{option: value})


# -- beside other mix-ins ---------------------------------------------------------------------------------------------


class Login:
    auth_realm = "test"

    def login(self, user: str, password: str) -> str | None:
        return None


def test_guessing_passwords_is_limited() -> None:
    cls = made(Login, ratelimit_store=MemoryStore(per_worker=True))
    guesses = type("Guesses", (cls, BasicAuthMixIn), {})
    field = "Authorization: Basic YTpi"
    assert [ask(guesses, field)[0] for _ in range(5)] == [401, 401, 401, 429, 429]


@pytest.mark.parametrize("own", [False, True])
def test_guessing_with_expect_is_limited_too(own: bool) -> None:
    """`check_continue` runs before `respond`: the limit comes before the login there, and counts once."""

    def check(self: HTTPHandler) -> bool:
        return True

    members: dict[str, Any] = {"check_continue": check} if own else {}
    cls = made(Login, ratelimit_store=MemoryStore(per_worker=True))
    guesses = type("Guesses", (cls, BasicAuthMixIn), members)
    found = []
    for _ in range(5):
        handler = guesses(request_of("POST", "/", "Authorization: Basic YTpi"), ())  # type: ignore[arg-type]
        for step in (handler.check_continue, handler.respond):
            with pytest.raises(HTTPError) as caught:
                step()
            found.append(caught.value.status)
    assert found[:6] == [401] * 6 and found[6] == found[8] == 429


def test_users_are_counted_behind_the_login() -> None:
    class ByUser(BasicAuthMixIn, Limited):
        ratelimit_store = MemoryStore(per_worker=True)

        def login(self, user: str, password: str) -> str | None:
            return user

        def ratelimit_key(self) -> str | None:
            return self.auth if isinstance(self.auth, str) else None

    ann, bob = "Authorization: Basic YW5uOmE=", "Authorization: Basic Ym9iOmI="
    assert [ask(ByUser, ann)[0] for _ in range(4)] == [200, 200, 200, 429]
    assert ask(ByUser, bob)[0] == 200 and statuses(ByUser) == [401] * 5


def test_preflights_are_answered_before_it() -> None:
    base = made(ratelimit_store=MemoryStore(per_worker=True))
    cls = type("Shared", (CORSMixIn, base), {"cors_origins": ("https://a.example",)})
    asked = "Origin: https://a.example", "Access-Control-Request-Method: GET"
    assert [ask(cls, *asked, method="OPTIONS")[0] for _ in range(5)] == [204] * 5
    assert statuses(cls, 4) == [200, 200, 200, 429]
    assert ask(cls, "Origin: https://a.example")[1].request.error_headers["Access-Control-Allow-Origin"]


# -- memory and the store ---------------------------------------------------------------------------------------------


def test_very_many_clients_share(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are new, with others of their network; whoever was there before has its own as before."""
    store = MemoryStore(per_worker=True)
    cls = made(ratelimit_max_clients=10, ratelimit_store=store)
    assert statuses(cls, 1, host="192.0.2.1") == [200]
    found = Counter(ask(cls, host=f"2001:db8:{number:x}::1")[0] for number in range(100))
    assert found == {200: 9 + 3, 429: 91 - 3}
    assert len(store) == 10 + 1
    assert statuses(cls, 3, host="192.0.2.1") == [200, 200, 429]
    assert statuses(cls, 1, host="2001:db9::1") == [200]  # of another provider
    assert [ask(cls, host=f"203.0.113.{number}")[0] for number in range(4)] == [200, 200, 200, 429]
    assert statuses(cls, 1, host="203.0.114.1") == [200] and len(store) == 10 + 4
    assert [each.message for each in caplog.records if "share limits" in each.message]
    now_s = ratelimit.time.monotonic()
    monkeypatch.setattr(ratelimit.time, "monotonic", lambda: now_s + 3601)
    assert statuses(cls, 1, host="198.51.100.1") == [200]


def test_the_store_has_no_addresses() -> None:
    store = MemoryStore(per_worker=True)
    ask(made(ratelimit_store=store), host="192.0.2.1")
    (name,) = store
    assert re.fullmatch(r"webpy\.ratelimit/tests\.test_ratelimit\.Limited/[0-9a-f]{32}", name)


class Broken(MemoryStore):
    """Fails while it is `broken`."""

    def __init__(self) -> None:
        super().__init__(per_worker=True)
        self.asked, self.broken = 0, True

    def pour(self, key: str, amount_us: int, capacity_us: int) -> tuple[bool, int]:
        self.asked += 1
        if self.broken:
            raise StoreError("store x: down")
        return super().pour(key, amount_us, capacity_us)


@pytest.mark.parametrize(("is_open", "status"), [(True, 200), (False, 503)])
def test_a_store_that_fails(
    is_open: bool, status: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked once a second, and that is logged once a minute."""
    store = Broken()
    cls = made(ratelimit_store=store, ratelimit_fail_open=is_open)
    assert statuses(cls, 20) == [status] * 20 and store.asked == 1
    told = [each.message for each in caplog.records if "down" in each.message]
    assert len(told) == 1 and ("let in" if is_open else "refused") in told[0]
    store.broken = False
    now_s = ratelimit.time.monotonic()
    monkeypatch.setattr(ratelimit.time, "monotonic", lambda: now_s + 1.01)
    assert statuses(cls, 4) == [200, 200, 200, 429]


# -- on the wire ------------------------------------------------------------------------------------------------------


def connected(server: Server, source: str = ONE, tls: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
    if tls is None:
        return http.client.HTTPConnection(*server.address, timeout=20, source_address=(source, 0))
    return http.client.HTTPSConnection(*server.address, timeout=20, source_address=(source, 0), context=tls)


def get(client: http.client.HTTPConnection, path: str, method: str = "GET") -> tuple[int, bytes, Any]:
    client.request(method, path)
    answer = client.getresponse()
    return answer.status, answer.read(), answer.headers


@contextlib.contextmanager
def serving(folder: Path, *options: str, **variables: str) -> Iterator[Server]:
    (folder / "files").mkdir(exist_ok=True)
    (folder / "files" / "a.txt").write_text(TEXT)
    (folder / "scripts").mkdir(exist_ok=True)
    script = folder / "scripts" / "a.txt"
    head = "".join(f"{name}: {value}\n" for name, value in OWN)
    script.write_text(f"#!/bin/sh\ncat <<'END'\n{head}\n{TEXT}END\n")
    script.chmod(0o755)
    server = Server(APP, *options, cwd=folder, env=variables)
    try:
        server.wait_until_listening()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module", params=["one worker", "two workers under TLS"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, ssl.SSLContext | None]]:
    folder, options, tls = tmp_path_factory.mktemp("limited"), ["--workers", "1"], None
    if request.param != "one worker":
        authority, pem = trustme.CA(), folder / "server.pem"
        authority.issue_cert(ONE).private_key_and_cert_chain_pem.write_to_path(str(pem))
        options = ["--workers", "2", "--certfile", str(pem), "--keyfile", str(pem)]
        tls = ssl.create_default_context()
        authority.configure_trust(tls)
    with serving(folder, *options) as started:
        yield started, tls


@pytest.mark.parametrize("host", HOSTS)
def test_before_every_host(server: tuple[Server, ssl.SSLContext | None], host: str) -> None:
    """Two requests an hour for each: a client that is over its limit, and one that is not, on one connection each."""
    started, tls = server
    path = f"/{host}/a.txt"
    with (
        contextlib.closing(connected(started, ONE, tls)) as one,
        contextlib.closing(connected(started, OTHER, tls)) as other,
    ):
        status, body, fields = get(one, path)
        assert (status, body) == (200, TEXT.encode())
        assert fields["RateLimit-Policy"] == '"default";q=2;w=3600'
        assert re.fullmatch('"default";r=1;t=1[78][0-9][0-9]', fields["RateLimit"])
        status, body, fields = get(one, path, "HEAD")
        assert (status, body) == (200, b"") and '"default";r=0;' in fields["RateLimit"]
        for method in ("GET", "HEAD", "PUT"):
            status, body, fields = get(one, path, method)
            assert status == 429 and (method == "HEAD") == (body == b"")
            assert 1700 < int(fields["Retry-After"]) <= 1800
            assert fields["RateLimit"] == f'"default";r=0;t={fields["Retry-After"]}'
        assert get(other, path)[:2] == (200, TEXT.encode())


def test_streams(server: tuple[Server, ssl.SSLContext | None]) -> None:
    """A body in pieces has the fields; a body that is read as it comes is not waited for when it is refused."""
    started, tls = server
    with contextlib.closing(connected(started, ONE, tls)) as client:
        for left in (1, 0):
            status, body, fields = get(client, "/pieces")
            assert (status, body) == (200, b"one two") and f";r={left};" in fields["RateLimit"]
        assert get(client, "/pieces")[0] == 429
    for status in (200, 200, 429):
        with contextlib.closing(connected(started, ONE, tls)) as client:
            client.putrequest("POST", "/stream")
            client.putheader("Content-Length", "6")
            client.endheaders(b"abcdef" if status == 200 or tls is not None else b"abc")
            answer = client.getresponse()
            assert answer.status == status
            assert answer.read().startswith(b"abcdef" if status == 200 else b"over the limit of 2 requests in 3600 s; ")


def burst(servers: list[Server], count: int) -> Counter[int]:
    """Ask by turns, on connections of their own, so that all workers of all servers take part."""
    found: Counter[int] = Counter()
    for server in itertools.islice(itertools.cycle(servers), count):
        with contextlib.closing(connected(server)) as client:
            found[get(client, "/twenty")[0]] += 1
    return found


def test_a_burst_beside_a_healthy_client(server: tuple[Server, ssl.SSLContext | None]) -> None:
    started, tls = server
    with (
        contextlib.closing(connected(started, OTHER, tls)) as healthy,
        contextlib.closing(connected(started, ONE, tls)) as busy,
    ):
        found = Counter(get(busy, "/twenty")[0] for _ in range(60))
        assert found == {200: 20, 429: 40}
        assert [get(healthy, "/twenty")[0] for _ in range(20)] == [200] * 20


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("redis", marks=pytest.mark.needs("redis-server")),
        pytest.param("memcached", marks=pytest.mark.needs("memcached")),
    ],
)
def test_two_machines_count_together(kind: str, tmp_path: Path) -> None:
    """Two servers of two workers each; then their store goes, and comes again."""
    port = free_port()
    running: Callable[[], Any] = (
        (lambda: redis_server(tmp_path, port=port)) if kind == "redis" else (lambda: memcached_server(port=port))
    )
    with contextlib.ExitStack() as stack:
        with running() as url:
            servers = [stack.enter_context(serving(tmp_path, "--workers", "2", WEBPY_RATELIMIT=url)) for _ in range(2)]
            assert burst(servers, 60) == {200: 20, 429: 40}
        assert burst(servers, 8) == {200: 8}
        with contextlib.closing(connected(servers[0])) as client:
            assert get(client, "/closed")[0] == 503
        for each in servers:
            each.wait_for("requests are let in without a limit")
    assert all(sum("let in without" in line for line in each.errors) <= 2 for each in servers)  # one of each worker


def test_a_memory_store_is_for_one_worker(serve: Callable[..., Server], tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text("from webpy.ratelimit import RateLimitMixIn\nclass A(RateLimitMixIn): pass\nroutes = {'/': A}\n")
    server = serve(app, "--workers", "2", loads=False, env={"WEBPY_RATELIMIT": "memory:"})
    server.wait_for(r"2 workers: each worker would have its own store \(memory:\)")
    assert server.wait() == 3
