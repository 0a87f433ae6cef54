"""A client with one cookie, a server of tests/session/app.py, and helpers that keep one of its sessions busy."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path

from tests.server import Answer, Server

__all__ = ["APP", "Client", "at_once", "holding", "serving"]

APP = Path(__file__).parent / "app.py"


@contextlib.contextmanager
def serving(folder: Path, *options: str, **variables: str) -> Iterator[Server]:
    """Start the application with two workers, these variables in its environment, and `folder` as current folder."""
    os.mkfifo(folder / "hold")
    server = Server(APP, "--workers", "2", *options, cwd=folder, env=variables)
    try:
        server.wait_until_listening()
        yield server
    finally:
        server.kill()


class Client:
    """Sends the last cookie that it got, as a browser does; each request uses a connection of its own."""

    def __init__(self, server: Server, id: str = "") -> None:
        self.server = server
        self.id = id

    def ask(self, method: str, path: str, body: str | None = None) -> Answer:
        headers = {"Cookie": f"theme=dark; session={self.id}"} if self.id else {}
        answer = self.server.request(method, path, body, headers, timeout=30)
        field = answer.headers["Set-Cookie"]
        if field is not None:
            (morsel,) = SimpleCookie(field).values()
            assert morsel.key == "session"
            self.id = morsel.value
        return answer

    def get(self, path: str) -> str:
        answer = self.ask("GET", path)
        assert answer.status == 200, answer
        return answer.body.decode()

    def post(self, path: str, body: str | None = None) -> str:
        answer = self.ask("POST", path, body)
        assert answer.status < 300, answer
        return answer.body.decode()


@contextlib.contextmanager
def holding(client: Client, path: str = "/hold") -> Iterator[list[Answer]]:
    """Have a handler (`/hold`) keep the client's session during the block; afterwards its answer is in the list."""
    answers: list[Answer] = []
    other = Client(client.server, client.id)
    asking = threading.Thread(target=lambda: answers.append(other.ask("POST", path)))
    asking.start()
    with open(client.server.cwd / "hold", "wb"):  # opens when the handler has opened it
        yield answers
    asking.join(30)


def at_once(*clients: Client, threads: int, each: int, path: str = "/count") -> list[Answer]:
    """Send requests of one session, from several threads for each client."""
    answers: list[Answer] = []
    barrier = threading.Barrier(threads * len(clients))

    def work(client: Client) -> None:
        own = Client(client.server, client.id)
        barrier.wait(30)
        for _ in range(each):
            answers.append(own.ask("POST", path))
            assert own.id == client.id

    workers = [threading.Thread(target=work, args=(client,)) for client in clients for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    return answers


def on_all_workers(*clients: Client, workers: int, threads: int, each: int) -> list[Answer]:
    """Repeat `at_once` until so many workers took part, as one may get no connection at first; return the answers."""
    answers: list[Answer] = []
    while len({answer.headers["X-Worker"] for answer in answers}) < workers:
        assert len(answers) < 20 * threads * each * len(clients), "all workers take part"
        answers += at_once(*clients, threads=threads, each=each)
    return answers
