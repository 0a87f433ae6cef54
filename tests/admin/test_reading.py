"""Who may read at the admin address: everybody if only this machine can reach it, else those who have the token."""

from __future__ import annotations

import base64
import contextlib
import http.client
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.admin.live import SITE, TOKEN, Live
from tests.server import Server
from webpy.admin.process import is_private

Serve = Callable[..., Server]
PRIVATE = ("/", "/status.json", "/status.json?since=0", "/metrics")
ELSEWHERE = ("--workers", "1", "--admin", "0.0.0.0:0")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def basic(token: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"any:{token}".encode()).decode()}


def told_to_everybody(live: Live) -> None:
    assert live.ask("GET", "/healthz").body == b"ok\n"
    assert live.ask("GET", "/readyz").status in (200, 503)  # as it is, or was half a second ago


def ready(server: Server) -> Live:
    server.wait_for("admin .* is ready")
    server.wait_for("worker 0 .* is ready")
    return Live(server)


def test_without_a_token_it_is_refused_and_the_start_says_so(serve: Serve) -> None:
    server = serve(SITE, *ELSEWHERE)
    live = ready(server)
    said = server.wait_for(r"\[warning\] admin at 0\.0\.0\.0:0 ")
    assert "--admin-token" in said and "/healthz" in said
    for path in PRIVATE:
        for headers in ({}, bearer(""), basic(""), bearer("guess")):
            answer = live.ask("GET", path, headers)
            assert answer.status == 403 and b"--admin-token" in answer.body and b"pid" not in answer.body
    told_to_everybody(live)
    assert live.post("/reload").status == 403


def test_with_a_token_it_is_wanted(serve: Serve) -> None:
    server = serve(SITE, *ELSEWHERE, "--admin-token", TOKEN)
    live = ready(server)
    assert "--admin-token" in server.wait_for(r"\[info\] admin at 0\.0\.0\.0:0 ")
    for path in PRIVATE:
        for headers in ({}, bearer("guess"), basic("guess"), {"Authorization": "Basic %"}, {"Authorization": TOKEN}):
            answer = live.ask("GET", path, headers)
            assert answer.status == 401 and b"pid" not in answer.body, (path, headers)
            schemes = [value.split()[0] for value in answer.headers.get_all("WWW-Authenticate") or []]
            assert schemes == ["Bearer", "Basic"]
        for headers in (bearer(TOKEN), basic(TOKEN)):
            assert live.ask("GET", path, headers).status == 200
            assert live.ask("HEAD", path, headers).status == 200
    told_to_everybody(live)
    # what changes things takes Bearer only: a browser that knows the password would send it for pages of other sites
    assert live.ask("POST", "/reload", basic(TOKEN)).status == 401
    assert live.post("/scale?workers=1").status == 200


def test_loopback_and_unix_sockets_are_read_by_whoever_reaches_them(serve: Serve, tmp_path: Path) -> None:
    live = ready(serve(SITE, "--workers", "1", "--admin", "127.0.0.1:0"))
    assert live.ask("GET", "/status.json").status == 200
    server = serve(SITE, "--workers", "1", "--admin", f"unix:{tmp_path}/admin")
    server.wait_for("admin .* is ready")
    with contextlib.closing(http.client.HTTPConnection("localhost")) as client:
        client.sock = socket.socket(socket.AF_UNIX)
        client.sock.connect(f"{tmp_path}/admin")
        client.request("GET", "/status.json")
        assert client.getresponse().status == 200
    assert not [line for line in server.errors if re.search(r"admin at", line)]


@pytest.mark.parametrize(
    ("host", "private"), [("127.0.0.1", True), ("127.3.2.1", True), ("::1", True), ("0.0.0.0", False), ("::", False)]
)
def test_is_private(host: str, private: bool) -> None:
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        assert is_private(listener) is private


@pytest.mark.parametrize(("mode", "private"), [(0o600, True), (0o755, True), (0o660, True), (0o777, False)])
def test_unix_sockets_by_their_mode(tmp_path: Path, mode: int, private: bool) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(mode)
        assert is_private(listener) is private
