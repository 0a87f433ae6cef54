"""PUT and DELETE through a real server with two workers: what changes, what is refused, and what is left afterwards."""

from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import os
import subprocess
import time
from pathlib import Path

import pytest
import requests

from tests.server import Answer, Server


@pytest.fixture
def folder(inbox: Path, request: pytest.FixtureRequest) -> Path:
    """A folder of the inbox for one test; its name is the end of its path."""
    folder = inbox / request.node.name
    folder.mkdir()
    return folder


def put(server: Server, path: str, body: bytes = b"new", **fields: str) -> Answer:
    return server.request("PUT", f"/inbox/{path}", body, {name.replace("_", "-"): v for name, v in fields.items()})


def delete(server: Server, path: str, **fields: str) -> Answer:
    return server.request("DELETE", f"/inbox/{path}", headers={n.replace("_", "-"): v for n, v in fields.items()})


def test_put_get_delete(server: Server, folder: Path) -> None:
    url = f"{server.url}/inbox/{folder.name}/ü%20.txt"
    made = requests.put(url, b"first", timeout=10)
    assert (made.status_code, made.content) == (201, b"")
    got = requests.get(url, timeout=10)
    assert (got.content, got.headers["ETag"]) == (b"first", made.headers["ETag"])
    changed = requests.put(url, b"second", timeout=10)
    assert changed.status_code == 204
    assert changed.headers["ETag"] != made.headers["ETag"]
    assert (folder / "ü .txt").read_bytes() == b"second"
    assert requests.delete(url, timeout=10).status_code == 204
    assert requests.get(url, timeout=10).status_code == 404
    assert requests.delete(url, timeout=10).status_code == 404
    assert list(folder.iterdir()) == []


def test_every_worker_sees_it_at_once(server: Server, folder: Path) -> None:
    path = f"{folder.name}/x"
    for number in range(20):  # each request on a connection of its own: they go to both workers
        body = b"%03d" % number
        assert put(server, path, body).status == (204 if number else 201)
        for _ in range(3):
            assert server.get(f"/inbox/{path}").body == body


@pytest.mark.needs("curl")
def test_a_large_upload_that_asks_first(server: Server, folder: Path, tmp_path: Path) -> None:
    content = os.urandom(1 << 20) * 8
    (tmp_path / "upload").write_bytes(content)
    url = f"{server.url}/inbox/{folder.name}/upload"
    command = ["curl", "-sS", "-o", os.devnull, "-w", "%{http_code} %{size_upload}", "-T", tmp_path / "upload", url]
    assert subprocess.run(command, capture_output=True, text=True, timeout=30).stdout == f"201 {len(content)}"
    assert (folder / "upload").read_bytes() == content
    chunked = [*command, "-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue"]
    assert subprocess.run(chunked, capture_output=True, text=True, timeout=30).stdout.startswith("204 ")
    assert (folder / "upload").read_bytes() == content
    refused = [*command, "-H", "Expect: 100-continue", "-H", "If-None-Match: *"]
    assert subprocess.run(refused, capture_output=True, text=True, timeout=30).stdout == "412 0"
    assert [path.name for path in folder.iterdir()] == ["upload"]


def test_an_empty_body_is_an_empty_file(server: Server, folder: Path) -> None:
    assert put(server, f"{folder.name}/empty", b"").status == 201
    assert (folder / "empty").read_bytes() == b""


def test_conditions(server: Server, folder: Path) -> None:
    path = f"{folder.name}/x"
    assert put(server, path, If_Match="*").status == 412
    assert put(server, path, If_Match='"x"').status == 412
    assert not (folder / "x").exists()
    assert delete(server, path, If_Match="*").status == 404
    made = put(server, path, b"one", If_None_Match="*")
    assert made.status == 201
    etag = made.headers["ETag"]
    for refused in ({"If_None_Match": "*"}, {"If_Match": '"x"'}, {"If_None_Match": etag}, {"If_Match": f"W/{etag}"}):
        assert put(server, path, b"two", **refused).status == 412
        assert delete(server, path, **refused).status == 412
    assert put(server, path, b"two", If_Unmodified_Since="Sun, 06 Nov 1994 08:49:37 GMT").status == 412
    assert (folder / "x").read_bytes() == b"one"
    changed = put(server, path, b"two", If_Match=f'"x", {etag}')
    assert changed.status == 204
    assert delete(server, path, If_Match=etag).status == 412
    assert delete(server, path, If_Match=changed.headers["ETag"]).status == 204


@pytest.mark.parametrize("name", ["made", "changed"])
def test_of_many_conditional_puts_at_once_one_wins(server: Server, folder: Path, name: str) -> None:
    path = f"{folder.name}/x"
    for number in range(5):
        if name == "made":
            (folder / "x").unlink(missing_ok=True)
            condition = {"If_None_Match": "*"}
        else:
            condition = {"If_Match": put(server, path, b"%d" % number).headers["ETag"]}
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            calls = [threads.submit(put, server, path, b"by %d" % n, **condition) for n in range(8)]
            statuses = [call.result().status for call in calls]
        assert sorted(statuses) == [201 if name == "made" else 204] + [412] * 7
        assert (folder / "x").read_bytes() == b"by %d" % next(n for n in range(8) if statuses[n] != 412)
    assert [entry.name for entry in folder.iterdir()] == ["x"]


def test_readers_see_the_old_file_or_the_new_one(server: Server, folder: Path) -> None:
    bodies = [bytes([65 + number]) * 200_000 for number in range(8)]
    put(server, f"{folder.name}/x", bodies[0])

    def read() -> set[bytes]:
        with contextlib.closing(server.client()) as client:
            seen = set()
            for _ in range(40):
                client.request("GET", f"/inbox/{folder.name}/x")
                seen.add(client.getresponse().read())
        return seen

    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        readers = [threads.submit(read) for _ in range(2)]
        for _ in range(2):
            for body in bodies:
                assert put(server, f"{folder.name}/x", body).status == 204
        seen = set().union(*(reader.result() for reader in readers))
    assert seen <= set(bodies)


def test_what_is_not_changed(server: Server, folder: Path) -> None:
    (folder / "folder").mkdir()
    (folder / "file").write_text("x")
    (folder / "link").symlink_to("file")
    os.mkfifo(folder / "fifo")
    (folder / "out").symlink_to(server.cwd / "elsewhere")
    before = sorted(folder.rglob("*"))
    for name, status in (
        ("folder", 409),
        ("folder/", 409),
        ("new/", 409),
        ("link", 409),
        ("fifo", 409),
        (".hidden", 404),
        ("%2ehidden", 404),
        (".webpy-put", 404),
        ("a%2fb", 404),
        ("a%00", 404),
        ("../../../site/a", 400),
        ("%2e%2e/folder/%2ehidden", 404),
    ):
        assert put(server, f"{folder.name}/{name}").status == status, name
        assert delete(server, f"{folder.name}/{name}").status == status, name
    for name, of_put, of_delete in (
        ("none/new", 409, 404),
        ("file/new", 409, 404),
        ("out/new", 409, 404),
        ("x" * 256, 404, 404),
        ("none", 201, 204),
    ):
        assert put(server, f"{folder.name}/{name}").status == of_put, name
        assert delete(server, f"{folder.name}/{name}").status == of_delete, name
    assert server.request("PUT", "/inbox", b"x").status == 409
    assert server.request("DELETE", "/inbox/").status == 409
    assert sorted(folder.rglob("*")) == before
    assert not (server.cwd / "elsewhere" / "new").exists()


def test_what_a_put_cannot_mean(server: Server, folder: Path) -> None:
    path = f"{folder.name}/x"
    assert put(server, path, Content_Range="bytes 0-2/10").status == 400
    packed = put(server, path, Content_Encoding="gzip")
    assert (packed.status, packed.headers["Accept-Encoding"]) == (415, "identity")
    assert put(server, path, Content_Encoding="identity").status == 201
    allowed = "DELETE, GET, HEAD, OPTIONS, PUT"
    assert server.request("OPTIONS", f"/inbox/{path}").headers["Allow"] == allowed
    assert server.request("POST", f"/inbox/{path}", b"x").headers["Allow"] == allowed


def test_permissions_are_kept(server: Server, folder: Path) -> None:
    assert put(server, f"{folder.name}/x").status == 201
    umask = os.umask(0)
    os.umask(umask)
    assert (folder / "x").stat().st_mode & 0o7777 == 0o666 & ~umask
    (folder / "x").chmod(0o4640)
    assert put(server, f"{folder.name}/x").status == 204
    assert (folder / "x").stat().st_mode & 0o7777 == 0o640


def test_an_upload_that_ends_early_leaves_nothing(server: Server, folder: Path) -> None:
    count = len(server.log)
    for framing in (b"Content-Length: 100000", b"Transfer-Encoding: chunked"):
        with server.connect() as sock:
            head = b"PUT /inbox/%s/x HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n" % (folder.name.encode(), framing)
            sock.sendall(head + b"fff\r\n" + b"x" * 2000)
    server.wait_for("PUT .*test_an_upload_that_ends_early", server.log, count=2)
    assert len(server.log) >= count
    assert list(folder.iterdir()) == []


def test_too_large_a_body_is_refused(server: Server, folder: Path) -> None:
    with server.connect() as sock:
        sock.sendall(b"PUT /inbox/%s/x HTTP/1.1\r\nHost: x\r\nContent-Length: 70000000\r\n\r\n" % folder.name.encode())
        assert sock.recv(100).startswith(b"HTTP/1.1 413 ")
    assert list(folder.iterdir()) == []


def test_a_lock_that_others_hold_is_waited_for(server: Server, folder: Path) -> None:
    directory = os.open(folder, os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX)
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        call = threads.submit(put, server, f"{folder.name}/x")
        assert concurrent.futures.wait([call], 0.2).not_done
        assert list(folder.iterdir()) == []
        assert server.get(f"/inbox/{folder.name}/").status == 200  # readers do not wait
        began = time.monotonic()
        os.close(directory)
        assert call.result().status == 201
        assert time.monotonic() - began < 2
