"""What `Client` sees is what the wire carries: the same requests to it and to real servers have the same answers.

The servers have one worker and two, TLS, and a fork of this process in place of a program of their own; the requests go
to every host and have answers of every shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests import matrix
from webpy.testing import Answer, Client, Server, serve

#: what may differ between two answers a moment apart
VOLATILE = {"date", "expires", "last-modified"}

HOSTS = [
    ("GET", "/{host}/a.txt", {}),
    ("HEAD", "/{host}/a.txt", {}),
    ("GET", "/{host}/a.txt?x=%zzü", {}),
    ("OPTIONS", "/{host}/a.txt", {}),
    ("POST", "/{host}/a.txt", {"data": {"a": "1"}}),
    ("PUT", "/{host}/a.txt", {"data": iter, "headers": {"X-A": "1"}}),
    ("DELETE", "/{host}/a.txt", {}),
    ("BREW", "/{host}/a.txt", {}),
    ("GET", "/{host}/none", {}),
    ("GET", "/{host}", {}),
    ("GET", "/{host}/../{host}//%61.txt", {}),
    ("GET", "/{host}/a.txt", {"headers": {"Range": "bytes=5-9"}}),
    ("GET", "/{host}/a.txt", {"headers": {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}}),
    ("GET", "/{host}/a.txt", {"headers": {"Connection": "close"}}),
    ("POST", "/{host}/a.txt", {"data": b"x" * 2000}),
]

OTHERS: list[tuple[str, str, dict[str, Any]]] = [
    *(("GET", f"/{route}?{shape}", {}) for route in ("shapes", "atomic") for shape in (
        "text", "bytes", "none", "empty", "reason", "pieces", "no-pieces", "long", "file", "later", "raises",
        "refuses", "nonsense", "bad-field", "early", "cookies", "other",
    )),
    *(("HEAD", f"/shapes?{shape}", {}) for shape in ("text", "none", "pieces", "file", "later", "raises")),
    ("GET", "/echo", {"headers": [("X-A", "1"), ("x-a", "2"), ("X-B", "ü"), ("Cookie", "a=1; b=2")]}),
    ("GET", "/echo/a b/../%7Eü?q=ü#f", {"params": {"n": [1, 2]}}),
    ("POST", "/echo", {"data": b"body"}),
    ("POST", "/echo", {"data": iter}),
    ("POST", "/echo", {"json": {"a": 1}}),
    ("POST", "/echo", {"data": b"x" * 1001}),
    ("PATCH", "/echo", {"data": "text"}),
    ("POST", "/streamed", {"data": b"y" * 900}),
    ("POST", "/careful", {"data": b"body", "headers": {"Expect": "100-continue"}}),
    ("POST", "/careful?no", {"data": b"body", "headers": {"Expect": "100-continue"}}),
    ("POST", "/echo", {"data": b"body", "headers": {"Expect": "something"}}),
    ("GET", "/login", {}),
    ("GET", "/login", {"auth": ("ann", "secret")}),
    ("GET", "/login", {"auth": ("ann", "wrong")}),
    ("GET", "/packed", {"headers": {"Accept-Encoding": "gzip", "X-Long": "long " * 300}}),
    ("POST", "/form", {"data": {"a": ["1", "2"], "b": "ü"}}),
    ("POST", "/form", {"data": b"%", "headers": {"Content-Type": "text/plain"}}),
    ("POST", "/json", {"json": [1, None, "ü"]}),
    ("POST", "/json", {"data": b"{", "headers": {"Content-Type": "application/json"}}),
    ("GET", "/old", {}),
    ("GET", "/old", {"follow_redirects": True}),
    ("OPTIONS", "*", {}),
    ("GET", "/nowhere", {}),
    # malformed, in one way each
    ("GET", "/echo/" + "x" * 500, {}),
    ("GET", "/echo", {"headers": {"X-Long": "x" * 3000}}),
    ("GET", "/echo", {"headers": [("X-Many", "1")] * 30}),
    ("GET", "/echo", {"headers": {"Host": "a b"}}),
    ("GET", "/echo", {"headers": [("Host", "a"), ("Host", "b")]}),
    ("GET", "/echo", {"headers": {"Bad Name": "1"}}),
    ("GET", "/echo/%zz", {}),
    ("GET", "/../up", {}),
    ("POST", "/echo", {"data": b"ab", "headers": [("Content-Length", "2"), ("Transfer-Encoding", "chunked")]}),
    ("POST", "/echo", {"data": b"zz\r\n", "headers": {"Transfer-Encoding": "chunked"}}),
    ("GET /x", "/echo", {}),
]  # fmt: skip

TABLE = [
    (method, url.replace("{host}", host), options) for host in matrix.HOSTS for method, url, options in HOSTS
] + OTHERS

LIMITS: dict[str, Any] = {"max_line": 400, "max_headers": 2500, "max_fields": 25, "max_body": 1000, "timeout": 20.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the hosts find their files; the current folder of this process and of the servers."""
    folder = tmp_path_factory.mktemp("differential")
    (folder / "files").mkdir()
    (folder / "files" / "a.txt").write_text(matrix.TEXT)
    (folder / "scripts").mkdir()
    head = "".join(f"{name}: {value}\n" for name, value in matrix.OWN)
    script = folder / "scripts" / "a.txt"
    script.write_text(f"#!/bin/sh\ncat <<'END'\n{head}\n{matrix.TEXT}END\n")
    script.chmod(0o755)
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def clients(folder: Path) -> Iterator[dict[str, Client]]:
    """In this process, by scheme."""
    target = "tests.testing.differential"
    with (
        Client(target, raise_errors=False, **LIMITS) as plain,
        Client(target, raise_errors=False, base_url="https://localhost", **LIMITS) as secure,
    ):
        yield {"http": plain, "https": secure}


def started(kind: str, folder: Path) -> Server:
    target = "tests.testing.differential:routes"
    pem = str(folder / "server.pem")
    match kind:
        case "one worker":
            return serve(target, **LIMITS)
        case "two workers":
            return serve(target, workers=2, **LIMITS)
        case "TLS":
            return serve(target, certfile=pem, keyfile=pem, workers=2, **LIMITS)
    from tests.testing import differential

    return serve(differential, **LIMITS)


@pytest.fixture(scope="module", params=["one worker", "two workers", "TLS", "a fork"])
def server(request: pytest.FixtureRequest, folder: Path) -> Iterator[Server]:
    with started(request.param, folder) as server:
        yield server


def asked(client: Client | Server, method: str, url: str, options: dict[str, Any]) -> Answer:
    """Ask under the same host everywhere; `iter` stands for a body that has to be made anew for each request."""
    if options.get("data") is iter:
        options = {**options, "data": iter([b"some", b"", b" pieces"])}
    url = url if url == "*" else f"{client.base_url.partition(':')[0]}://localhost{url}"
    return client.request(method, url, **options)


def shown(answer: Answer) -> tuple[Any, ...]:
    fields = [(name, value) for name, value in answer.headers if name.lower() not in VOLATILE]
    rest = [shown(each) for each in answer.history]
    return answer.status, answer.reason, fields, [name.lower() for name, _ in answer.headers], answer.body, rest


@pytest.mark.parametrize(("method", "url", "options"), TABLE, ids=[f"{row[0]} {row[1][:40]}" for row in TABLE])
def test_the_same_answer(
    server: Server, clients: dict[str, Client], method: str, url: str, options: dict[str, Any]
) -> None:
    scheme = server.url.partition(":")[0]
    there, here = asked(server, method, url, options), asked(clients[scheme], method, url, options)
    assert shown(here) == shown(there)


def test_the_table_has_all_kinds_of_answers(clients: dict[str, Client]) -> None:
    """Or the comparison would say little."""
    statuses = {asked(clients["http"], *row).status for row in TABLE}
    assert {200, 204, 206, 299, 301, 400, 401, 404, 405, 413, 414, 415, 417, 418, 431, 500, 501} <= statuses, statuses
