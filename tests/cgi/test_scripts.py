"""Scripts run by a real server: their environment and input, and the answers that are made of their output."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import subprocess
from pathlib import Path

import pytest

from tests.cgi.conftest import Add
from tests.server import Server
from webpy.protocol import REASONS

SCRIPTS = {
    "environment": 'echo "Content-Type: text/plain"; echo; echo "PWD=$(pwd)"; env; echo "ARGS=$*"; echo "ZERO=$0"',
    "echo": 'echo "Content-Type: text/plain"; echo; cat',
    "reopen": 'echo "Content-Type: a/b" >/dev/stdout; echo; cat /dev/stdin; echo heard >/dev/stderr',
    "deaf": 'echo "Content-Type: a/b"; echo; head -c 3000000 /dev/zero',
    "length": 'echo "Content-Type: a/b"; echo "Content-Length: 5"; echo; printf "hello$QUERY_STRING"',
    "fields": """printf 'Status: 299 Quite Fine\\r\\nSet-Cookie: a=1\\r\\nSet-Cookie: b=2\\r\\nX-CGI-Own: 1\\r\\n'
        printf 'Transfer-Encoding: chunked\\r\\nConnection: close\\r\\nContent-Type: a/b\\r\\n\\r\\nbody'""",
    "status": 'echo "Status: $QUERY_STRING"; echo; echo surplus',
    "moved": 'echo "Location: $QUERY_STRING"; echo',
    "nothing": "exit 0",
    "fails": "echo complaint >&2; exit 3",
    "nonsense": "echo hello",
    "mute": "exec >&-; sleep 600",
    "long": "echo Content-Type: a/b; yes 'X: y' | head -c 40000; echo; echo",
    "endless": "yes 'X: y'",
    "killed": 'echo "Content-Type: a/b"; echo; echo part; kill -9 $$',
    "aborts": 'echo "Content-Type: a/b"; echo "Content-Length: 4"; echo; echo part; kill -9 $$',
    "short": 'echo "Content-Type: a/b"; echo "Content-Length: 50"; echo; echo part',
    "status3": 'echo "Content-Type: a/b"; echo; echo whole; exit 3',
    "orphan": "#!/no/such/interpreter\n",
    "noisy": """i=0; while [ $i -lt 150 ]; do echo "line $i" >&2; i=$((i + 1)); done
        printf 'Content-Type: a/b\\n\\nok'; printf 'esc\\033ape' >&2""",
    "odd;touch hacked; $(touch hacked)": 'echo "Content-Type: a/b"; echo; echo odd',
}


def variables(server: Server, path: str, **keywords: object) -> dict[str, str]:
    lines = server.get(path, **keywords).body.decode().splitlines()
    return dict(line.partition("=")[::2] for line in lines)


# -- what a script is told -------------------------------------------------------------------------------------------


def test_the_environment_is_all_there_is(server: Server, folder: Path) -> None:
    headers = {"Proxy": "evil", "Authorization": "Basic eDp5", "X_A": "1", "User-Agent": "test", "Accept": "a/b"}
    told = variables(server, "/x/..//cgi-bin/environmen%74/a%20b/%63?x=1&y=%20", headers=headers)
    root, (host, port) = str(folder), server.address
    assert told.pop("REMOTE_PORT").isdigit()
    assert told.pop("PATH")
    inherited = {"LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "TZ", "OLDPWD", "SHLVL", "_"}
    assert {name: value for name, value in told.items() if name not in inherited} == {
        "ARGS": "",
        "COLOUR": "blue",
        "DOCUMENT_ROOT": root,
        "GATEWAY_INTERFACE": "CGI/1.1",
        "HTTP_ACCEPT": "a/b",
        "HTTP_ACCEPT_ENCODING": "identity",
        "HTTP_HOST": f"{host}:{port}",
        "HTTP_USER_AGENT": "test",
        "PATH_INFO": "/a b/c",
        "PATH_TRANSLATED": f"{root}/a b/c",
        "PWD": f"{root}/cgi-bin",
        "QUERY_STRING": "x=1&y=%20",
        "REDIRECT_STATUS": "200",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_HOST": "127.0.0.1",
        "REQUEST_METHOD": "GET",
        "REQUEST_SCHEME": "http",
        "REQUEST_URI": "/x/..//cgi-bin/environmen%74/a%20b/%63?x=1&y=%20",
        "SCRIPT_FILENAME": f"{root}/cgi-bin/environment",
        "SCRIPT_NAME": "/cgi-bin/environment",
        "SERVER_ADDR": host,
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "webpy",
        "ZERO": f"{root}/cgi-bin/environment",
    }


def test_an_indexed_query_only_where_it_is_wanted(server: Server) -> None:
    told = variables(server, "/indexed/environment/x?a+b%20c")
    assert (told["ARGS"], told["QUERY_STRING"]) == ("a b c", "a+b%20c")
    assert (told["PATH_TRANSLATED"], told["DOCUMENT_ROOT"]) == ("/srv/x", "/srv")
    assert variables(server, "/cgi-bin/environment?a+b")["ARGS"] == ""


def test_any_method_reaches_the_script(server: Server) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "BREW"):
        assert f"REQUEST_METHOD={method}\n" in server.request(method, "/cgi-bin/environment").body.decode()


def test_who_was_authenticated(server: Server) -> None:
    assert server.get("/private/environment").status == 401
    told = variables(server, "/private/environment", headers={"Authorization": "basic bWU6c2VjcmV0"})
    assert (told["REMOTE_USER"], told["AUTH_TYPE"], told["ADDED"]) == ("me", "Basic", "by a subclass")
    assert "HTTP_AUTHORIZATION" not in told


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("", 403),
        ("/", 403),
        ("/nope", 404),
        ("/../app.py", 404),
        ("/%2e%2e/x", 404),
        ("/a%2fb", 404),
        ("/echo%00", 404),
    ],
)
def test_what_is_no_script(server: Server, path: str, status: int) -> None:
    assert server.get(f"/cgi-bin{path}").status == status


def test_what_cannot_be_run(server: Server, add: Add) -> None:
    add("plain", "echo", mode=0o644)
    assert server.get("/cgi-bin/plain").status == 403
    add("unmarked", "#!/bin/sh").write_text("no interpreter is named")
    assert server.get("/cgi-bin/unmarked").status == 500
    server.wait_for("unmarked cannot be run: Exec format error$")
    assert server.get("/cgi-bin/orphan").status == 500
    server.wait_for("orphan cannot be run: No such file or directory, or its interpreter$")


def test_no_shell_sees_a_name(server: Server, folder: Path) -> None:
    assert server.get("/cgi-bin/odd;touch%20hacked;%20$(touch%20hacked)?;touch+hacked").body == b"odd\n"
    assert not list(folder.rglob("hacked"))


# -- its body --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("remote", ["/cgi-bin", "/streaming"])
@pytest.mark.parametrize("size", [0, 1, 200_000, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_reaches_the_script_and_comes_back(server: Server, remote: str, size: int, chunked: bool) -> None:
    body = os.urandom(size)
    with contextlib.closing(server.client()) as client:
        if chunked:
            pieces = (body[at : at + 50_000] for at in range(0, size, 50_000))
            client.request(
                "POST", f"{remote}/echo", pieces, encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
            )
        else:
            client.request("POST", f"{remote}/echo", body)
        assert hashlib.sha256(client.getresponse().read()).digest() == hashlib.sha256(body).digest()
        client.request("POST", f"{remote}/environment", b"" if not size else b"x", headers={"Content-Type": "a/b; c=d"})
        told = client.getresponse().read().decode().splitlines()
    assert {f"CONTENT_LENGTH={min(size, 1)}", "CONTENT_TYPE=a/b; c=d"} <= set(told)


@pytest.mark.needs("curl")
def test_a_chunked_body_has_a_length(server: Server, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"x" * 700_000)
    command = ["curl", "-sS", "-T", "-", "-X", "POST", f"{server.url}/cgi-bin/environment"]
    with open(tmp_path / "body", "rb") as file:
        told = subprocess.run(command, stdin=file, capture_output=True, text=True, timeout=20).stdout
    assert "CONTENT_LENGTH=700000\n" in told
    assert "TRANSFER" not in told


def test_a_script_that_reads_nothing(server: Server) -> None:
    answer = server.request("POST", "/cgi-bin/deaf", b"y" * 3_000_000)
    assert (answer.status, len(answer.body)) == (200, 3_000_000)


@pytest.mark.parametrize("body", [b"x", b"y" * 400_000])
def test_standard_streams_may_be_opened_anew(server: Server, body: bytes) -> None:
    before = sum("reopen: heard" in line for line in server.errors)
    assert server.request("POST", "/cgi-bin/reopen", body).body == body
    server.wait_for("reopen: heard$", count=before + 1)


def test_a_missing_script_is_told_before_the_body(server: Server) -> None:
    with contextlib.closing(server.connect()) as sock:
        head = b"POST /cgi-bin/nope HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
        sock.sendall(head)
        assert sock.recv(100).startswith(b"HTTP/1.1 404 ")


# -- what it gives ---------------------------------------------------------------------------------------------------


def test_status_and_fields(server: Server) -> None:
    answer = server.get("/cgi-bin/fields")
    assert (answer.status, answer.reason, answer.body) == (299, "Quite Fine", b"body")
    assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert answer.headers.get_all("Transfer-Encoding") == ["chunked"]
    assert answer.headers["X-CGI-Own"] is answer.headers["Connection"] is answer.headers["Status"] is None


@pytest.mark.parametrize("target", ["/cgi-bin/echo", "https://example.org/a?b"])
def test_a_location_is_a_redirect(server: Server, target: str) -> None:
    answer = server.get(f"/cgi-bin/moved?{target}")
    assert (answer.status, answer.headers["Location"], answer.body) == (302, target, b"")


@pytest.mark.parametrize("surplus", ["", "+and+more"])
def test_a_length_is_how_much_is_sent(server: Server, surplus: str) -> None:
    with contextlib.closing(server.client()) as client:
        for _ in range(2):  # the connection can be used again
            client.request("GET", f"/cgi-bin/length?{surplus}")
            answer = client.getresponse()
            assert (answer.headers["Content-Length"], answer.read()) == ("5", b"hello")


@pytest.mark.parametrize("path", ["/cgi-bin/status?204", "/cgi-bin/status?304", "/cgi-bin/length"])
def test_answers_without_a_body(server: Server, path: str) -> None:
    with contextlib.closing(server.client()) as client:
        client.request("HEAD" if "length" in path else "GET", path)
        answer = client.getresponse()
        assert answer.read() == b""
        assert answer.headers["Content-Length"] == ("5" if "length" in path else None)
        client.request("GET", "/hello")
        assert client.getresponse().read().isdigit()


def test_an_old_client_gets_what_ends_with_the_connection(server: Server) -> None:
    with contextlib.closing(server.connect()) as sock:
        sock.sendall(b"GET /cgi-bin/environment HTTP/1.0\r\n\r\n")
        data = b"".join(iter(lambda: sock.recv(65536), b""))
    assert data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"SERVER_PROTOCOL=HTTP/1.0\n" in data and b"HTTP_HOST" not in data and b"SERVER_NAME=127.0.0.1\n" in data


# -- when it fails ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "status", "why"),
    [
        ("nothing", 500, "failed: it ended with status 0 before its header block was complete"),
        ("fails", 500, "failed: it ended with status 3 before its header block was complete"),
        ("nonsense", 500, "failed: it ended with status 0 before its header block was complete"),
        ("long", 502, "wrote a malformed header block: it is longer than 32768 bytes"),
        ("endless", 502, "wrote a malformed header block: it is longer than 32768 bytes"),
    ],
)
def test_a_script_without_a_header_block(server: Server, name: str, status: int, why: str) -> None:
    answer = server.get(f"/cgi-bin/{name}")
    assert (answer.status, answer.body) == (status, f"{status} - {REASONS[status]}\n".encode())
    server.wait_for(f"{name} {why}$")


def test_a_script_that_closes_its_output_and_stays(server: Server) -> None:
    assert server.get("/brief/mute").status == 500
    server.wait_for("mute failed: it closed its output before its header block was complete$")


def test_its_errors_are_logged(server: Server) -> None:
    server.get("/cgi-bin/fails")
    server.wait_for(r"\[error\] .*/cgi-bin/fails: complaint$")
    assert server.get("/cgi-bin/noisy").body == b"ok"
    server.wait_for(r"/noisy: \.\.\. and 51 more lines$")
    assert sum("/noisy: line " in line for line in server.errors) == 100


@pytest.mark.parametrize("name", ["killed", "short"])
def test_an_answer_that_is_not_whole_cannot_pass_for_it(server: Server, name: str) -> None:
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        server.get(f"/cgi-bin/{name}")


def test_an_answer_that_was_whole_stays_so(server: Server) -> None:
    with contextlib.closing(server.client()) as client:
        for path, body in (("/cgi-bin/aborts", b"part"), ("/cgi-bin/length?", b"hello")):  # on one connection
            client.request("GET", path)
            sock = client.sock
            assert client.getresponse().read() == body
            assert client.sock is sock
    server.wait_for("aborts failed: it was killed by signal 9$")


def test_whether_the_status_counts(server: Server) -> None:
    assert server.get("/cgi-bin/status3").body == b"whole\n"
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        server.get("/checked/status3")
    server.wait_for("status3 failed: it ended with status 3$")


def test_an_environment_that_no_program_takes(server: Server) -> None:
    """--max-headers keeps the environment small enough, unless it was raised."""
    assert len(variables(server, "/cgi-bin/environment", headers={"X-Long": "y" * 32_000})["HTTP_X_LONG"]) == 32_000
    assert (
        server.get("/cgi-bin/environment", headers={f"X-{number}": "y" * 60_000 for number in range(3)}).status == 431
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_root_s_scripts_are_nobody_s(server: Server, add: Add, folder: Path) -> None:
    add("who", 'printf "Content-Type: a/b\\n\\n"; id -un; id -u; id -G')
    nobody, uid, groups = server.get("/cgi-bin/who").body.decode().split("\n")[:3]
    assert nobody == "nobody" and uid != "0" and "0" not in groups.split()
    assert server.get("/root/who").body.startswith(b"root\n0\n")
    add("mine", "printf 'Content-Type: a/b\\n\\n'", mode=0o700)
    assert server.get("/cgi-bin/mine").status == 403  # nobody may not
    why = "nobody must be let into each directory above it, and run it"
    server.wait_for(f"mine cannot be run: Permission denied: {why}$")
