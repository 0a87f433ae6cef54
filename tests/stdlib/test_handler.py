"""Unchanged handlers of the standard library, tested by requests to a server."""

from __future__ import annotations

import http.client
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server import Server

CORNERS = Path(__file__).parent / "apps" / "corners.py"
Serve = Callable[..., Server]


@pytest.fixture(scope="module")
def corners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(CORNERS, "--workers", "2", cwd=tmp_path_factory.mktemp("corners"))
    server.wait_until_listening()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def persistent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(f"{CORNERS}:Persistent", "--workers", "2", cwd=tmp_path_factory.mktemp("persistent"))
    server.wait_until_listening()
    yield server
    server.kill()


def wait_for_file(path: Path) -> str:
    deadline = time.monotonic() + 10
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.005)
    return path.read_text()


def test_what_a_handler_is_told(corners: Server) -> None:
    told = corners.get("/told?x=%20", headers={"X-Asked": "yes"}).body.decode().split("\n")
    line = "GET /told?x=%20 HTTP/1.1"
    assert told == [
        *(line, line, "GET", "/told?x=%20", "HTTP/1.1", "127.0.0.1", "127.0.0.1", "127.0.0.1", "True", "yes", ""),
        *("HTTPMessage", "127.0.0.1", "True", "Corners/1", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ]


def test_the_path_is_in_normal_form(corners: Server) -> None:
    for target in ("//x/../t%6fld?x=%6f", f"{corners.url}/./told?x=%6f"):
        told = corners.get(target, headers={"X-Asked": "yes"}).body.decode().split("\n")
        assert told[:4] == ["GET /told?x=%6f HTTP/1.1"] * 2 + ["GET", "/told?x=%6f"]


def test_fields_of_one_name_stay_apart(corners: Server) -> None:
    with corners.connect() as sock:
        fields = b"X-Twice: 1\r\nX-Asked: \xe9\r\nx-twice: 2\r\nConnection: close\r\n"
        sock.sendall(b"GET /told HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n")
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert b"\n1|2\nHTTPMessage" in answer and "\né\n".encode() in answer


@pytest.mark.parametrize("name", ["corners", "persistent"])
def test_answers(name: str, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(name)
    plain = server.get("/plain")
    assert (plain.status, plain.body, plain.headers["Content-Type"]) == (200, b"plain", "text/plain; charset=utf-8")
    assert plain.headers["Server"].startswith("Corners/1 Python/")
    head = server.request("HEAD", "/plain")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", "5")
    assert server.get("/unframed").body == b"no length at all"
    assert server.get("/chunks").body == b"one two"
    assert server.get("/interim").body == b"after 103"
    reason = server.get("/reason")
    assert (reason.status, reason.reason, reason.body) == (299, "As I like it", b"")
    assert server.get("/status_line_only").status == 204
    assert server.get("/large").body == b"x" * 5_000_000


def test_errors_look_as_the_class_says(corners: Server) -> None:
    answer = corners.get("/unknown")
    assert (answer.status, answer.reason) == (404, "Not here")
    assert answer.headers["Content-Type"] == "text/x-error"
    assert answer.body == b"<p>404 Not here: try another</p>"
    assert corners.request("FOO", "/").status == 501
    corners.wait_for(re.escape("[error] 127.0.0.1 code 404, message Not here"))


def test_bodies(corners: Server) -> None:
    big = bytes(range(250)) * 2000
    for body in (b"small", big):
        told = corners.request("POST", "/", body)
        assert (told.status, told.body.decode()) == (201, f"{len(body)} {sum(body)} b''")
    assert corners.request("PUT", "/", b"a\nb\nc").body == b"[b'a\\n', b'b\\n']"
    client = corners.client()
    client.request("POST", "/", iter([b"ab", b"c"]), encode_chunked=True)
    assert client.getresponse().read() == b"3 294 b''"
    client.close()


def test_connections_are_kept_when_the_client_keeps_them(persistent: Server) -> None:
    client = persistent.client()
    client.request("GET", "/plain")
    client.getresponse().read()
    first = client.sock
    client.request("GET", "/unframed")
    assert client.getresponse().read() == b"no length at all"
    assert client.sock is first
    client.close()


def test_what_is_written_is_sent_while_the_handler_goes_on(corners: Server) -> None:
    with corners.connect() as sock:
        sock.sendall(b"GET /ticks HTTP/1.0\r\n\r\n")
        got = b""
        for number in range(3):
            while not got.endswith(b"%d\n" % number):
                piece = sock.recv(1000)
                assert piece, got
                got += piece
            (corners.cwd / f"go{number}").touch()
        assert sock.recv(1000) == b""
    assert got.endswith(b"\r\n\r\n0\n1\n2\n")


def test_a_client_that_leaves_is_a_broken_pipe(corners: Server) -> None:
    with corners.connect() as sock:
        sock.sendall(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        assert sock.recv(100)
    assert wait_for_file(corners.cwd / "left") == "BrokenPipeError\n"


def test_failures(corners: Server) -> None:
    answer = corners.get("/raises")
    assert (answer.status, answer.body) == (500, b"500 - Internal Server Error\n")
    corners.wait_for("KeyError: 'raised'$")
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        corners.get("/raises_late")
    corners.wait_for("KeyError: 'raised late'$")
    assert corners.get("/raises_after").body == b"whole"
    corners.wait_for("KeyError: 'raised after'$")
    assert corners.get("/nothing").status == 500
    corners.wait_for(re.escape("the handler wrote b'', wanted an HTTP answer"))
    assert corners.get("/garbage").status == 500
    corners.wait_for(re.escape("the handler wrote 'garbage', wanted a status line"))


def test_messages_are_in_the_error_log_and_requests_in_the_access_log(corners: Server) -> None:
    before = len(corners.errors)
    assert corners.get("/messages").body == b"said"
    corners.wait_for(re.escape(r"[error] 127.0.0.1 error 7"))
    corners.wait_for(r'"GET /messages HTTP/1.1" 200 4 ', corners.log)
    lines = corners.errors[before:]
    assert any(line.endswith(r"[info] 127.0.0.1 message one\ntwo") for line in lines)
    assert not any("GET /messages" in line for line in lines)


def test_an_answer_is_as_long_as_it_says(corners: Server, persistent: Server) -> None:
    for server in (corners, persistent):
        assert server.get("/long").body == b"long"
        assert server.get("/short").status == 500
        server.wait_for("wrote 5 bytes less than its Content-Length")
        assert server.get("/two_lengths").status == 500
        not_modified = server.get("/not_modified")
        assert (not_modified.status, not_modified.headers["ETag"], not_modified.body) == (304, '"1"', b"")
        assert server.get("/plain").body == b"plain"


def test_a_body_that_nobody_reads_is_no_request(persistent: Server) -> None:
    client = persistent.client()
    for _ in range(2):
        client.request("PATCH", "/", b"GET /endless HTTP/1.1\r\n\r\n")
        assert client.getresponse().read() == b"not read"
    client.close()


def test_what_cannot_be(corners: Server) -> None:
    assert corners.get("/switches").status == 500
    corners.wait_for(re.escape("the handler switched protocols (101)"))
    assert corners.get("/exits").status == 500
    assert corners.get("/plain").status == 200


def test_a_file_sent_by_the_connection(corners: Server) -> None:
    assert corners.get("/sent_file").body == CORNERS.read_bytes()


def test_threads_are_kept(corners: Server) -> None:
    assert len({corners.get("/thread").body for _ in range(20)}) <= 4


def test_expect_is_the_class_s_to_answer(persistent: Server) -> None:
    def ask(path: bytes) -> bytes:
        with persistent.connect() as sock:
            sock.sendall(
                b"POST %b HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n"
                b"Connection: close\r\n\r\n" % path
            )
            first = sock.recv(1000)
            if first.startswith(b"HTTP/1.1 100 "):
                sock.sendall(b"hi")
            return first + b"".join(iter(lambda: sock.recv(1000), b""))

    taken = ask(b"/taken")
    assert taken.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 ") and taken.endswith(b"2 209 b''")
    refused = ask(b"/refused")
    assert refused.startswith(b"HTTP/1.1 417 Keep it\r\n") and b"<p>417 Keep it" in refused
    assert (persistent.cwd / "asked").read_text() == "/taken\n/refused\n"


def test_whatever_is_overridden_runs(serve: Serve, tmp_path: Path) -> None:
    server = serve(f"{CORNERS}:Wrapped", "--workers", "1")
    assert server.get("/").body == b"y" * 3000
    assert wait_for_file(tmp_path / "steps").split()[:2] == ["setup", "handle"]
    assert (tmp_path / "own.log").read_text() == '"GET / HTTP/1.1" 200 -\n'
    assert server.stop() == 0


def test_a_subclass_of_the_file_handler(serve: Serve) -> None:
    server = serve(f"{CORNERS}:Folder", "--workers", "1")
    assert server.get("/corners.py").body == CORNERS.read_bytes()
    assert b"corners.py" in server.get("/").body
    modified = server.get("/corners.py").headers["Last-Modified"]
    assert server.get("/corners.py", headers={"If-Modified-Since": modified}).status == 304
    assert server.get("/missing").status == 404
    assert server.stop() == 0


@pytest.mark.slow
def test_scripts(serve: Serve) -> None:
    """With the directory that is the current one, as root's tests run scripts as nobody."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        for directory, text in {
            "cgi-bin": 'printf "Status: 201 Made\\nContent-Type: text/x\\n\\n$REQUEST_METHOD $PATH_INFO $*"; cat',
            "own": "exit 1",
        }.items():
            script = Path(folder, directory, "script")
            script.parent.mkdir()
            script.write_text(f"#!/bin/sh\n{text}\n")
            script.chmod(0o755)
        Path(folder, "plain.txt").write_text("plain")
        server = serve(f"{CORNERS}:Scripts", "--workers", "1", "--chdir", folder)
        made = server.request("POST", "/cgi-bin/script/more?a=b", b" sent")
        assert (made.status, made.reason, made.body) == (201, "Made", b"POST /more  sent")
        assert made.headers["Content-Type"] == "text/x" and made.headers["Server"].startswith("SimpleHTTP/")
        assert server.get("//cgi-bin/./script?two+words").body == b"GET  two words"
        assert server.request("HEAD", "/cgi-bin/script").status == 201
        assert server.get("/own/script").status == 500
        assert [server.get(f"/cgi-bin/{name}").status for name in ("", "nope", "../../x")] == [403, 404, 400]
        assert server.request("POST", "/plain.txt").status == 501
        assert server.get("/plain.txt").body == b"plain"
