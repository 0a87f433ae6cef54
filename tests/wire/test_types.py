"""What an answer says its body is: a type that we chose is never guessed anew by a browser, one that the application
chose is left alone, and a host's answer that has none is sent with none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.server import Server
from tests.wire.client import Client, get

TEXT, BYTES = "text/plain; charset=utf-8", "application/octet-stream"


@pytest.fixture(scope="module")
def server(share: Callable[..., Server]) -> Server:
    return share("types", "--workers", "1")


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/text", TEXT),
        ("/bytes", BYTES),
        ("/stream", BYTES),
        ("/pieces", BYTES),
        ("/file", BYTES),
        ("/empty", None),
    ],
)
def test_types_of_ours(server: Server, path: str, wanted: str | None, method: str, version: str) -> None:
    for target in (path, path, path + "?fields"):  # twice: the second time its head is known
        with Client(server) as client:
            client.send(get(target, method=method, version=version))
            reply = client.read(method)
        assert reply.status == 200
        assert (reply.get("Content-Type"), reply.get("X-Content-Type-Options")) == (wanted, wanted and "nosniff")
        assert reply.get("X-One") == ("1" if "?" in target else None)


@pytest.mark.parametrize(
    ("path", "status", "wanted"),
    [
        ("/nothing", 404, TEXT),
        ("/raises", 500, TEXT),
        ("/refuses", 403, "application/json"),
        ("/json", 200, "application/json"),
        ("/page", 200, "text/html; charset=utf-8"),
    ],
)
def test_errors_and_features(server: Server, path: str, status: int, wanted: str) -> None:
    reply = server.get(path)
    assert (reply.status, reply.headers["Content-Type"]) == (status, wanted)
    assert reply.headers.get_all("X-Content-Type-Options") == ["nosniff"]


def test_a_request_that_is_none(server: Server) -> None:
    with Client(server) as client:
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        reply = client.read()
    assert (reply.status, reply.get("Content-Type"), reply.get("X-Content-Type-Options")) == (400, TEXT, "nosniff")


@pytest.mark.parametrize("path", ["/html", "/htmltext", "/choice"])
def test_types_of_the_application(server: Server, path: str) -> None:
    reply = server.get(path)
    assert (reply.headers["Content-Type"], reply.headers["X-Content-Type-Options"]) == ("text/html", None)


@pytest.mark.parametrize("path", ["/wsgi", "/wsgi?pieces", "/old"])
def test_a_host_without_a_type(server: Server, path: str) -> None:
    for _ in range(2):
        reply = server.get(path)
        assert (reply.status, reply.body) == (200, b"<html>")
        assert (reply.headers["Content-Type"], reply.headers["X-Content-Type-Options"]) == (None, None)
