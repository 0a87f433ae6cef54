"""The parts that need no process: header blocks, meta-variables, which script a path names, standard error, jobs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.heads import FakePeer, request_of
from webpy.cgi import CGIHandler, new
from webpy.cgi.environment import arguments, meta_variables
from webpy.cgi.finding import Found, find
from webpy.cgi.head import BadHead, find_body, parse_head
from webpy.cgi.identity import identity_of
from webpy.cgi.spawner import Job
from webpy.cgi.stderr import StderrLog
from webpy.framework.errors import HTTPError

FOUND = Found(b"/srv/cgi-bin/a/x.py", b"/a/x.py", b"")


# -- header blocks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b"A: 1\n\nbody", b"body"),
        (b"A: 1\r\n\r\nbody", b"body"),
        (b"A: 1\r\nB: 2\n\r\n", b""),
        (b"\nbody", b"body"),
        (b"A: 1\n", None),
        (b"A: 1\r\n\r", None),
        (b"", None),
    ],
)
def test_where_the_body_begins(data: bytes, body: bytes | None) -> None:
    at = find_body(data)
    assert at == -1 if body is None else data[at:] == body
    for cut in range(len(data) if body is None else at):  # byte by byte: not before it is there
        assert find_body(data[:cut]) == -1


@pytest.mark.parametrize(
    ("block", "status", "reason", "fields"),
    [
        (b"Content-Type: text/plain\n\n", 200, None, [("Content-Type", "text/plain")]),
        (b"Status: 404 Not Here\r\n\r\n", 404, "Not Here", []),
        (b"status:201\n\n", 201, None, []),
        (b"Location: /x\n\n", 302, None, [("Location", "/x")]),
        (b"Location: http://a/\nStatus: 303 Look\n\n", 303, "Look", [("Location", "http://a/")]),
        (b"Status: 200\nLocation: /x\n\n", 200, None, [("Location", "/x")]),
        (
            b"Content-type:a/b\nSet-Cookie: a=1\nSet-Cookie: b=2\nX-CGI-A: 1\nConnection: close\nTE: x\n\n",
            200,
            None,
            [("Content-type", "a/b"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")],
        ),
    ],
)
def test_what_a_header_block_says(block: bytes, status: int, reason: str | None, fields: list[tuple[str, str]]) -> None:
    head = parse_head(block)
    assert (head.status, head.reason, list(head.fields)) == (status, reason, fields)


@pytest.mark.parametrize(
    ("block", "why"),
    [
        (b"\n", "none of Content-Type"),
        (b"Set-Cookie: a\n\n", "none of Content-Type"),
        (b"HTTP/1.0 200 OK\nContent-Type: a/b\n\n", "nph-"),
        (b"<html>\n\n", "without a colon"),
        (b"Content Type: a/b\n\n", "field name"),
        (b"Content-Type: a/b\n folded\n\n", "white space"),
        (b"Content-Type: a\rb\n\n", "control character"),
        (b"Content-Type: a\0b\n\n", "control character"),
        (b"Status: 99\n\n", "Status"),
        (b"Status: 100 Continue\n\n", "Status"),
        (b"Status: 600\n\n", "Status"),
        (b"Status: OK\n\n", "Status"),
        (b"Status: 200\nStatus: 404\n\n", "more than one Status"),
        (b"Content-Type: a/b\ncontent-type: a/b\n\n", "more than one"),
        (b"Content-Type: a/b\nContent-Length: -1\n\n", "Content-Length"),
        (b"Content-Type: a/b\nContent-Length: \xb2\n\n", "Content-Length"),
        (b"Content-Type: a/b\nContent-Length: " + b"9" * 19 + b"\n\n", "Content-Length"),
        (b"Content-Type: a/b\n" + b"A: 1\n" * 100 + b"\n", "more than 100 fields"),
    ],
)
def test_header_blocks_that_are_none(block: bytes, why: str) -> None:
    with pytest.raises(BadHead, match=why):
        parse_head(block)


# -- meta-variables --------------------------------------------------------------------------------------------------


class Peer(FakePeer):
    def __init__(self, server: tuple[str, int], tls: object = None) -> None:
        self.server_address = server
        self.tls = tls


@pytest.mark.parametrize(
    ("target", "server", "tls", "name", "port"),
    [
        ("http://example.org:81/x", ("192.0.2.1", 8000), None, "example.org", "8000"),
        ("http://[2001:db8::1]:81/x", ("2001:db8::1", 8000), None, "[2001:db8::1]", "8000"),
        ("http://example.org/x", ("unix", 0), None, "example.org", "80"),
        ("http://example.org/x", ("unix", 0), object(), "example.org", "443"),
    ],
)
def test_the_server_s_name_and_port(target: str, server: tuple[str, int], tls: object, name: str, port: str) -> None:
    request = request_of("GET", target)
    request._peer = Peer(server, tls)
    told = meta_variables(request, FOUND, "/cgi-bin", b"/srv", None)
    assert (told["SERVER_NAME"], told["SERVER_PORT"]) == (name, port)
    assert told.get("HTTPS") == (None if tls is None else "on")


def test_a_client_that_names_no_host() -> None:
    request = request_of()
    request.head.host = ""  # HTTP/1.0
    told = meta_variables(request, FOUND, "", b"/srv", None)
    assert told["SERVER_NAME"] == "192.0.2.1"
    request._peer = Peer(("2001:db8::1", 80))
    assert meta_variables(request, FOUND, "", b"/srv", None)["SERVER_NAME"] == "[2001:db8::1]"


def test_fields_become_variables() -> None:
    fields = ["X-One: 1", "x-one: 2", "Cookie: a=1", "Cookie: b=2", "Content-Type: a/b", "Proxy: evil", "X_Two: 1"]
    fields += ["Authorization: Basic x", "Transfer-Encoding: chunked", "Connection: close", "X-B\xe9: 1", "X-\xe9: 2"]
    request = request_of("POST", "/", *(field for field in fields if field.isascii()), "X-Latin: \xe9")
    told = meta_variables(request, FOUND, "", b"/srv", 0)
    variables = {name: value for name, value in told.items() if name.startswith(("HTTP_", "CONTENT_"))}
    assert variables == {
        "HTTP_HOST": "a",
        "HTTP_X_ONE": "1, 2",
        "HTTP_COOKIE": "a=1; b=2",
        "CONTENT_TYPE": "a/b",
        "CONTENT_LENGTH": "0",
        "HTTP_X_LATIN": os.fsdecode(b"\xe9"),
    }


@pytest.mark.parametrize(
    ("method", "query", "words"),
    [
        ("GET", "a+b%20c", [b"a", b"b c"]),
        ("HEAD", "a%3Db", [b"a=b"]),
        ("GET", "a=b", []),
        ("GET", "", []),
        ("POST", "a", []),
        ("GET", "-s", []),
        ("GET", "a+%2Ds", []),
        ("GET", "a%00", []),
    ],
)
def test_words_of_an_indexed_query(method: str, query: str, words: list[bytes]) -> None:
    assert arguments(request_of(method, f"/x?{query}")) == words


# -- which script ----------------------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> bytes:
    (tmp_path / "outside").write_text("")
    (tmp_path / "outside").chmod(0o755)
    root = tmp_path / "bin"
    (root / "deep").mkdir(parents=True)
    (root / ".hid").mkdir()
    for name in ("x", "deep/y", ".hidden", ".hid/z", "sp ace", "deep/\N{SNOWMAN}"):
        (root / name).write_text("")
        (root / name).chmod(0o755)
    (root / "data").write_text("")
    (root / "data").chmod(0o644)
    (root / "link").symlink_to("x")
    (root / "out").symlink_to("../outside")
    (root / "folder").symlink_to("deep")
    os.mkfifo(root / "fifo", 0o777)
    return os.fsencode(root)


@pytest.mark.parametrize(
    ("rest", "name", "info"),
    [
        ("/x", b"/x", b""),
        ("/x/", b"/x", b"/"),
        ("/x/a%20b//c/./.d", b"/x", b"/a b//c/./.d"),
        ("/deep/y/info", b"/deep/y", b"/info"),
        ("/sp%20ace", b"/sp ace", b""),
        ("/%78", b"/x", b""),
        ("/deep/%E2%98%83", "/deep/\N{SNOWMAN}".encode(), b""),
        ("/x/%FF", b"/x", b"/\xff"),
    ],
)
def test_the_script_a_path_names(tree: bytes, rest: str, name: bytes, info: bytes) -> None:
    assert find(tree, rest) == Found(tree + name, name, info)


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        *((rest, 403) for rest in ("", "/", "/deep", "/deep/", "/data", "/data/x", "/fifo", "/fifo/x")),
        *((rest, 404) for rest in ("/nope", "/deep/x", "//x", "/./x", "/deep//y", "/.hidden", "/.hid/z", "/x%00")),
        *((rest, 404) for rest in ("/../outside", "/deep/../x", "/%2e%2e/outside", "/x/../..", "/x/%2E%2e")),
        *((rest, 404) for rest in ("/link", "/out", "/folder/y", "/deep%2fy", "/x/a%2Fb", "/x/%00", "/" + "a" * 300)),
    ],
)
def test_paths_that_name_no_script(tree: bytes, rest: str, status: int) -> None:
    with pytest.raises(HTTPError) as caught:
        find(tree, rest)
    assert caught.value.status == status


def test_a_directory_that_has_gone(tmp_path: Path) -> None:
    with pytest.raises(HTTPError, match="404"):
        find(os.fsencode(tmp_path / "gone"), "/x")


# -- standard error and jobs ------------------------------------------------------------------------------------------


def test_stderr_are_whole_lines_within_bounds() -> None:
    lines: list[str] = []
    log = StderrLog(lines.append)
    for piece in (b"one\ntw", b"o\r\n\n  \nth\x1bree \xff\n", b"a" * 700, b"b" * 700 + b"\n", b"last"):
        log.feed(piece)
    assert lines == ["one", "two", "th\\x1bree \\xff", "a" * 700 + "b" * 300 + "... (400 more bytes)"]
    log.close()
    assert lines[4:] == ["last"]
    log.feed(b"\n".join(b"%d" % number for number in range(200)))
    log.close()
    log.close()
    assert lines[5:] == [*(str(number) for number in range(95)), "... and 105 more lines"]


@pytest.mark.parametrize("identity", [None, (1, 2), (1, 2, 2, 3)])
def test_jobs_are_packed_whole(identity: tuple[int, ...] | None) -> None:
    job = Job(b"/a/b", [b"/a/b", b""], [b"A=", b"B=1=2"], b"/a", identity)
    again = Job.unpack(job.pack())
    assert [getattr(again, name) for name in Job.__slots__] == [getattr(job, name) for name in Job.__slots__]


@pytest.mark.parametrize("job", [Job(b"/a", [b"x\0A=1"], [], b"/", None), Job(b"/a", [], [b"A=\0B=1"], b"/", None)])
def test_a_nul_is_nothing_to_pack(job: Job) -> None:
    with pytest.raises(ValueError, match="NUL"):
        job.pack()


# -- settings --------------------------------------------------------------------------------------------------------


def test_bad_settings_are_named(tmp_path: Path) -> None:
    for remote in ("cgi-bin", "/cgi-bin/", "/"):
        with pytest.raises(ValueError, match="remote"):
            new(tmp_path, remote)
    with pytest.raises(ValueError, match=r"timeout_s 0"):
        new(tmp_path, timeout_s=0)
    with pytest.raises(ValueError, match=r"nowhere.*a directory"):
        new(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"'timeout'.*timeout_s"):
        new(tmp_path, timeout=1)
    with pytest.raises(ValueError, match="no-such-user"):
        identity_of("no-such-user")


def test_settings_are_of_one_set_of_routes(tmp_path: Path) -> None:
    (regex, one), (_, other) = *new(tmp_path, "/a.b", max_scripts=3).items(), *new(tmp_path, "").items()
    assert (one.max_scripts, other.max_scripts, CGIHandler.max_scripts) == (3, 64, 64)
    assert regex == r"/a\.b(/[^?]*)?(?:\?.*)?"
    assert issubclass(one, CGIHandler) and one.directory == str(tmp_path)


def test_the_old_name_of_a_setting_counts_with_a_warning(tmp_path: Path) -> None:
    with pytest.warns(DeprecationWarning, match="most is deprecated: max_scripts is its name now"):
        ((_, made),) = new(tmp_path, most=3).items()
    assert made.max_scripts == 3
