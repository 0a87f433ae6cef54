"""A request's handler, the pieces of its body and the body's end run in one context, which no other request sees."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.server import Server

from .client import Client, get, until

PACES = ("quick", "waiting", "computing")


@pytest.fixture(scope="module")
def server(share: Callable[..., Server]) -> Server:
    return share("contexts", "--workers", "1", "--threads", "4")


@pytest.mark.parametrize("pace", PACES)
def test_no_request_sees_what_another_has_set(server: Server, pace: str) -> None:
    with Client(server) as client, Client(server) as other:
        for number in range(20):
            assert client.ask(f"/sets/{pace}/{number}").text == "nothing"
            assert other.ask(f"/sets/{pace}/{number}").text == "nothing"
        client.send(b"".join(get(f"/sets/{pace}/{number}") for number in range(20)))
        assert {client.read().text for _ in range(20)} == {"nothing"}


def told_at_the_end(server: Server, count: int) -> list[str]:
    """What so many bodies saw when they were closed."""
    told: list[str] = []

    def all_there() -> bool:
        told.extend(line for line in server.get("/closed").body.decode().split("\n") if line)
        return len(told) >= count

    until(all_there, f"{count} bodies are closed")
    return told


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("path", ["iterable", "wsgi"])
def test_all_of_a_body_runs_in_the_context_of_the_call(server: Server, path: str, pace: str) -> None:
    count = 30
    with Client(server) as client:
        for _ in range(3):
            said = client.ask(f"/{path}/{pace}/{count}").text.split(";")[:-1]
            assert said == ["call", *(f"piece {number}" for number in range(count - 1))]
    assert told_at_the_end(server, 3) == [f"piece {count - 1}, nothing"] * 3
    assert server.get("/sets/quick/x").body == b"nothing"


@pytest.mark.parametrize("pace", PACES)
def test_a_generator_may_give_back_what_it_set(server: Server, pace: str) -> None:
    with Client(server) as client:
        assert client.ask(f"/generator/{pace}/5").text == "generator;" * 5
    assert told_at_the_end(server, 1) == ["nothing"]


def test_a_body_whose_client_is_slow_goes_on_in_its_context(server: Server) -> None:
    count = 1000  # more than a socket takes, so several threads may have to do with it
    with Client(server, receive_buffer_bytes=1 << 16) as client:
        client.send(get(f"/iterable/quick/{count}", version="HTTP/1.0"))
        received = b"".join(iter(lambda: client.sock.recv(1 << 18), b"")).partition(b"\r\n\r\n")[2]
    said = received.decode().split(";")[:-1]
    assert [each.strip() for each in said] == ["call", *(f"piece {number}" for number in range(count - 1))]
    assert told_at_the_end(server, 1) == [f"piece {count - 1}, nothing"]


def test_a_body_whose_client_has_gone_is_closed_in_its_context(server: Server) -> None:
    client = Client(server, receive_buffer_bytes=4096)
    client.send(get("/iterable/quick/100000"))
    client.take(1000)
    client.reset()
    (told,) = told_at_the_end(server, 1)
    assert told.startswith("piece ")
    assert told.endswith(", nothing")


def test_a_wsgi_body_in_one_piece_is_closed_in_its_context(server: Server) -> None:
    with Client(server) as client:
        for _ in range(3):
            assert client.ask("/whole/").text == "call;"
    assert told_at_the_end(server, 3) == ["piece 0, nothing"] * 3


def test_what_check_continue_set_is_there_when_the_body_has_come(server: Server) -> None:
    with Client(server) as client:
        client.send(get("/sets/quick/early", "Expect: 100-continue", "Content-Length: 1", method="POST"))
        assert client.read().status == 100
        client.send(b"x")
        assert client.read().text == "early"
        assert client.ask("/sets/quick/x").text == "nothing"
