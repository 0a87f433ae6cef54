"""A disk that takes no more: each kind of writing answers a 5xx that says whose fault it is, the log says it once and
without a traceback, and all goes on when there is room again."""

from __future__ import annotations

import contextlib
import re
import resource
from collections.abc import Callable, Iterator

import pytest
import requests
from requests.auth import HTTPDigestAuth

from tests.server import Server

PHOTO = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\n%b\r\n--x--\r\n'
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
ALL = {"/store": 503, "/session": 503, "/digest": 503, "/file": 507, "/form": 503, "/body": 503}


@contextlib.contextmanager
def full_disk(server: Server) -> Iterator[None]:
    """The worker may write no byte more to a file: to a program that is what a full disk is, with EFBIG for ENOSPC."""
    found = re.search(r"worker 0 gen 1 \[(\d+)\]", server.wait_for(r"worker 0 gen 1 \[\d+\] is ready"))
    assert found is not None
    pid = int(found[1])
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def ask(server: Server, path: str) -> int:
    if path == "/digest":
        with requests.get(server.url + path, auth=HTTPDigestAuth("ann", "secret"), timeout=10) as answer:
            return answer.status_code
    if path in ("/form", "/body"):
        size = 1000 if path == "/form" else 3_000_000  # one goes to the disk by the form, one before there is a handler
        return server.request("POST", path, PHOTO % bytes(size), FORM).status
    answer = server.get(path)
    assert answer.status < 500 or b"Traceback" not in answer.body
    return answer.status


@pytest.mark.parametrize("before", [True, False])
def test_a_full_disk(start: Callable[..., Server], before: bool) -> None:
    """before: whether the stores were made and used while there was room."""
    server = start("disks", "--workers", "1", "--max-body", "8M")
    if before:
        assert {path: ask(server, path) for path in ALL} == dict.fromkeys(ALL, 200)
    with full_disk(server):
        for _ in range(5):
            assert {path: ask(server, path) for path in ALL} == ALL
    assert {path: ask(server, path) for path in ALL} == dict.fromkeys(ALL, 200)
    assert not [line for line in server.errors if "Traceback" in line]
    said = [line for line in server.errors if "[error]" in line]
    assert len(said) <= 2 * len(ALL), "\n".join(said)  # each as it began, and again if ten seconds have gone by
    for what in ("store.sqlite3", "sessions.sqlite3", "auth.sqlite3", "disks.py", "a form's file", "the body cannot"):
        assert any(what in line for line in said), what
