"""Sessions over HTTP on two workers, kept in SQLite, as they are by default."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import sqlite3
import stat
import subprocess
import time
from collections.abc import Iterator

import pytest
import requests

from tests.server import Server
from tests.session.client import Client, holding, on_all_workers, serving
from webpy.session.session import key_of, new_id


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("sessions")) as server:
        yield server
        assert server.stop() == 0


@pytest.fixture
def client(server: Server) -> Client:
    return Client(server)


def stored(server: Server) -> set[str]:
    with contextlib.closing(sqlite3.connect(server.cwd / "webpy-sessions.sqlite3")) as database:
        return {key.decode() for (key,) in database.execute("SELECT key FROM webpy_store")}


def test_every_worker_knows_it(server: Server, client: Client) -> None:
    answers = [client.ask("POST", "/count") for _ in range(12)]
    while len({answer.headers["X-Worker"] for answer in answers}) < 2 and len(answers) < 400:
        answers.append(client.ask("POST", "/count"))
    assert [int(answer.body) for answer in answers] == list(range(1, len(answers) + 1))
    assert len({answer.headers["X-Worker"] for answer in answers}) == 2
    assert Client(server).get("/count") == "0"


def test_the_cookie_is_given_once(client: Client) -> None:
    first, second = client.ask("POST", "/count"), client.ask("POST", "/count")
    field = first.headers["Set-Cookie"]
    assert re.fullmatch(r"session=[\w-]{43}; Path=/; HttpOnly; SameSite=Lax", field)
    assert "Set-Cookie" not in second.headers
    for answer in (first, second):
        assert (answer.headers["Vary"], answer.headers["Cache-Control"]) == ("Cookie", "private, no-cache")


def test_no_session_without_need(server: Server, client: Client) -> None:
    before = stored(server)
    assert client.get("/count") == "0" and client.get("/login") == "nobody"
    answer = client.ask("GET", "/untouched")
    assert not {"Set-Cookie", "Vary", "Cache-Control"} & set(answer.headers)
    assert stored(server) == before and not client.id


@pytest.mark.parametrize("id", ["guess", new_id(), "x" * 5000, "\xe9" * 43, "../../etc/passwd", '"' + "A" * 43 + '"'])
def test_a_made_up_id_is_not_taken_over(server: Server, id: str) -> None:
    client = Client(server, id)
    assert client.get("/count") == "0"
    assert client.id == id
    assert client.post("/count") == "1"
    assert client.id != id and len(client.id) == 43
    assert Client(server, id).get("/count") == "0"


def test_no_update_is_lost(server: Server, client: Client) -> None:
    client.post("/count")
    answers = on_all_workers(client, workers=2, threads=8, each=12)
    assert sorted(int(answer.body) for answer in answers) == list(range(2, 2 + len(answers)))
    assert client.get("/count") == str(1 + len(answers))


def test_login_gives_another_id(server: Server, client: Client) -> None:
    client.post("/count")
    planted = client.id
    client.post("/login", "ann")
    assert client.id != planted
    assert (client.get("/login"), client.get("/count")) == ("ann", "1")
    thief = Client(server, planted)
    assert (thief.get("/login"), thief.get("/count")) == ("nobody", "0")
    late = thief.ask("POST", "/count")  # as a request that was under way with the old cookie
    assert (late.status, late.headers["Retry-After"], late.headers["Set-Cookie"]) == (503, "1", None)
    assert client.get("/count") == "1"


def test_logout(server: Server, client: Client) -> None:
    client.post("/login", "ann")
    id = client.id
    answer = client.ask("DELETE", "/login")
    assert answer.headers["Set-Cookie"] == (
        "session=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax"
    )
    assert Client(server, id).get("/login") == "nobody"
    assert key_of(id) not in stored(server)
    assert "Set-Cookie" not in client.ask("DELETE", "/login").headers


def test_a_busy_session(server: Server, client: Client) -> None:
    client.post("/count")
    with holding(client) as held:
        answer = client.ask("POST", "/impatient")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert answer.body == b"other requests of your session take too long; try again\n"
        assert client.get("/peek") == "1"  # reads what is stored, without waiting
        assert Client(server).post("/impatient") == "1"  # another session
    assert held[0].body == b"2"
    assert client.post("/impatient") == "3"


def test_saved_early(client: Client) -> None:
    client.post("/count")
    with holding(client, "/early") as held:
        assert client.post("/count") == "3"
    assert held[0].body == b"3"  # loaded again


def test_saved_early_gives_the_cookie_too(client: Client) -> None:
    with holding(client, "/early") as held:
        pass
    assert held[0].body == b"1" and "session=" in held[0].headers["Set-Cookie"]


def test_a_killed_worker_holds_nothing(server: Server, client: Client) -> None:
    client.post("/count")
    for _ in range(2):
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            client.ask("POST", "/die")
        began_s = time.monotonic()
        assert client.get("/count") == "1"
        assert time.monotonic() - began_s < 5


@pytest.mark.parametrize(("status", "kept"), [(403, "2"), (404, "2"), (500, "1"), (503, "1"), (0, "1")])
def test_a_handler_that_fails(client: Client, status: int, kept: str) -> None:
    client.post("/count")
    answer = client.ask("POST", f"/fail/{status}")
    assert answer.status == (status or 500)
    assert client.get("/count") == kept


def test_an_error_that_many_raise_keeps_no_cookie(server: Server) -> None:
    first, second = Client(server), Client(server)
    answers = [each.ask("POST", "/fail/403") for each in (first, second)]
    assert len({answer.headers["Set-Cookie"] for answer in answers}) == 2
    assert [answer.headers.get_all("Vary") for answer in answers] == [["Cookie"]] * 2
    again = first.ask("POST", "/fail/403")
    assert again.status == 403 and "Set-Cookie" not in again.headers
    assert first.get("/count") == "2" and second.get("/count") == "1"


def test_what_is_too_large(server: Server, client: Client) -> None:
    client.post("/keep/900")
    before = stored(server)
    assert client.ask("POST", "/keep/990").status == 500
    assert Client(server).ask("POST", "/keep/990").status == 500
    server.wait_for(r"ValueError: a session of 1001 bytes, wanted 1000 at most \(session_max_bytes\)")
    assert stored(server) == before and client.post("/count") == "1"


def test_while_the_body_is_sent(server: Server, client: Client) -> None:
    assert [client.get("/stream/early") for _ in range(2)] == ["body 1", "body 2"]
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        client.ask("GET", "/stream/late")
    server.wait_for("RuntimeError: the session was first asked for when the answer had begun")


def test_files_are_private(server: Server, client: Client) -> None:
    client.post("/count")
    for name in ("webpy-sessions.sqlite3", "webpy-sessions.sqlite3.lock"):
        assert stat.S_IMODE((server.cwd / name).stat().st_mode) == 0o600
    assert (server.cwd / "webpy-sessions.sqlite3.lock").stat().st_size == 0
    assert client.id.encode() not in (server.cwd / "webpy-sessions.sqlite3").read_bytes()
    assert not any(client.id in line for line in server.log + server.errors)


def test_requests(server: Server) -> None:
    with requests.Session() as one, requests.Session() as other:
        for count in range(1, 4):
            assert one.post(f"{server.url}/count").text == str(count)
        assert other.get(f"{server.url}/count").text == "0"
        assert one.delete(f"{server.url}/login").status_code == 204
        assert not one.cookies


@pytest.mark.needs("curl")
def test_curl(server: Server) -> None:
    jar = str(server.cwd / "jar")
    command = ["curl", "-sS", "-c", jar, "-b", jar, "-X", "POST", f"{server.url}/count"]
    assert [subprocess.check_output(command, text=True) for _ in range(3)] == ["1", "2", "3"]
    assert "#HttpOnly_127.0.0.1" in (server.cwd / "jar").read_text()
    os.unlink(jar)


def test_it_is_there_after_a_reload(server: Server, client: Client) -> None:
    client.post("/count")
    server.send(signal.SIGHUP)
    server.wait_for("generation 2")
    assert client.post("/count") == "2"
