"""The framework over real sockets: every kind of body, answer, error and hook, as a client sees it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.server import Server

from .client import Client, Reply, get, until
from .conftest import Log

# As apps/framework.py has them.
SMALL = bytes(range(256)) * 80
LARGE = bytes(range(256)) * (12 << 10)
TEXT = "grüße, 世界\n".encode()
PLAIN_TEXT = "text/plain; charset=utf-8"
# kind of body: its bytes, how its end is told over HTTP/1.1, and what is closed after it
BODIES = {
    "str": (TEXT, "length", None),
    "bytes": (SMALL, "length", None),
    "bytearray": (b"abc", "length", None),
    "memoryview": (b"abc", "length", None),
    "large": (LARGE, "length", None),
    "none": (b"", "length", None),
    "bytesio": (SMALL, "length", None),
    "small-file": (SMALL, "length", "small"),
    "large-file": (LARGE, "length", "large"),
    "seeked": (SMALL[20_000:], "length", None),
    "empty-file": (b"", "chunked", None),  # /dev/null is no regular file
    "pipe": (b"from a pipe", "chunked", None),
    "stream": (SMALL, "chunked", "pipe"),
    "generator": (b"onetwothree", "chunked", "generator"),
    "large-generator": (LARGE, "chunked", "generator"),
    "empty-generator": (b"", "chunked", "generator"),
    "list": (b"ab", "chunked", None),
}
KINDS = list(BODIES)
UNMEASURED = [kind for kind in KINDS if BODIES[kind][1] == "chunked"]


@pytest.fixture(scope="module")
def server(share: Callable[..., Server]) -> Server:
    return share("framework", "--workers", "1", "--max-body", "32M")


def aside(server: Server, what: str) -> list[str]:
    found: list[str] = json.loads(server.get("/aside").body)[what]
    return found


def clear(server: Server) -> None:
    server.get("/aside?clear")


def without_date(reply: Reply) -> list[tuple[str, str]]:
    return [(name, value) for name, value in reply.fields if name != "Date"]


# -- bodies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_body(server: Server, kind: str) -> None:
    body, framing, owner = BODIES[kind]
    clear(server)
    log = Log(server, f'"GET /body/{kind} ')
    with Client(server) as client:
        for _ in range(2):  # the connection is good for more
            reply = client.ask(f"/body/{kind}")
            assert (reply.version, reply.status, reply.reason) == ("HTTP/1.1", 200, "OK")
            assert reply.body == body
            assert reply.framing == framing
            wanted = PLAIN_TEXT if kind == "str" else None if kind == "none" else "application/octet-stream"
            assert reply.get("Content-Type") == wanted
            assert reply.get("Connection") is None
            assert reply.get("Server") == "webpy"
    for line in log.lines(2):
        assert f'"GET /body/{kind} HTTP/1.1" 200 ' in line
        if framing == "length":
            assert f" 200 {len(body)} " in line
    if owner:
        until(lambda: aside(server, "closed") == [owner, owner], f"{owner} closed twice, and not more")


@pytest.mark.parametrize("kind", KINDS)
def test_head_says_what_get_would_and_sends_no_body(server: Server, kind: str) -> None:
    _, framing, owner = BODIES[kind]
    clear(server)
    with Client(server) as client:
        client.send(get(f"/body/{kind}", method="HEAD") + get(f"/body/{kind}"))
        head, full = client.read("HEAD"), client.read()
        assert head.status == 200
        expected = [field for field in without_date(full) if field[0] != "Transfer-Encoding"]
        assert without_date(head) == expected
        assert head.get("Content-Length") == full.get("Content-Length")
        client.nothing_yet()
    if owner:  # a generator that was never begun has nothing to clean up
        expected = [owner] if "generator" in kind else [owner, owner]
        until(lambda: aside(server, "closed") == expected, f"{owner} closed by HEAD too")
    assert framing == full.framing


@pytest.mark.parametrize("kind", KINDS)
def test_options_and_other_methods_for_each_kind(server: Server, kind: str) -> None:
    with Client(server) as client:
        options = client.ask(f"/body/{kind}", method="OPTIONS")
        assert (options.status, options.reason, options.body) == (204, "No Content", b"")
        assert options.get("Allow") == "GET, HEAD, OPTIONS"
        assert options.get("Content-Length") is None
        for method in ("POST", "PUT", "DELETE", "TRACE", "PATCH"):
            refused = client.ask(f"/body/{kind}", method=method)
            assert (refused.status, refused.reason) == (405, "Method Not Allowed")
            assert refused.get("Allow") == "GET, HEAD, OPTIONS"
            assert refused.text == "405 - Method Not Allowed\n"
        unknown = client.ask(f"/body/{kind}", method="X-OWN")
        assert (unknown.status, unknown.reason, unknown.get("Allow")) == (501, "Not Implemented", None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("keep", [False, True])
def test_http_1_0(server: Server, kind: str, keep: bool) -> None:
    body, framing, _ = BODIES[kind]
    fields = ["Connection: keep-alive"] if keep else []
    with Client(server) as client:
        reply = client.ask(f"/body/{kind}", *fields, version="HTTP/1.0")
        assert (reply.version, reply.status, reply.body) == ("HTTP/1.1", 200, body)
        kept = keep and framing == "length"
        assert reply.framing == ("close" if framing == "chunked" else "length")
        assert reply.get("Connection") == ("keep-alive" if kept else "close")
        if kept:
            assert client.ask("/body/str", version="HTTP/1.0").body == TEXT
        client.ended()


@pytest.mark.parametrize("kind", UNMEASURED)
def test_a_content_length_of_the_handlers_own(server: Server, kind: str) -> None:
    body = BODIES[kind][0]
    with Client(server) as client:
        reply = client.ask(f"/body/{kind}", f"X-Length: {len(body)}")
        assert (reply.framing, reply.body) == ("length", body)
        head = client.ask(f"/body/{kind}", f"X-Length: {len(body)}", method="HEAD")
        assert head.get("Content-Length") == str(len(body))
        assert client.ask(f"/body/{kind}", f"X-Length: {len(body)}", version="HTTP/1.0").body == body
        client.ended()


@pytest.mark.parametrize("kind", ["pipe", "stream", "generator", "large-generator", "list"])
def test_a_body_shorter_than_its_content_length_breaks_the_connection_off(server: Server, kind: str) -> None:
    body, _, owner = BODIES[kind]
    clear(server)
    with Client(server) as client:
        client.send(get(f"/body/{kind}", f"X-Length: {len(body) + 1}") + get("/body/str"))
        head, _, rest = client.broken_off().partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body) + 1}".encode() in head
    assert body.startswith(rest)
    server.wait_for(f"body of GET /body/{kind} ")
    if owner:
        until(lambda: aside(server, "closed") == [owner], "closed all the same")


@pytest.mark.parametrize("kind", ["small-file", "large-file", "bytesio"])
def test_a_body_known_to_be_shorter_than_its_content_length_is_a_500(server: Server, kind: str) -> None:
    with Client(server) as client:
        assert client.ask(f"/body/{kind}", f"X-Length: {len(BODIES[kind][0]) + 1}").status == 500
        assert client.ask("/body/str").body == TEXT


@pytest.mark.parametrize("kind", ["generator", "large-generator", "list"])
def test_an_iterable_longer_than_its_content_length_breaks_the_connection_off(server: Server, kind: str) -> None:
    body, _, owner = BODIES[kind]
    clear(server)
    with Client(server) as client:
        client.send(get(f"/body/{kind}", f"X-Length: {len(body) - 1}") + get("/body/str"))
        head, _, rest = client.broken_off().partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body) - 1}".encode() in head
    assert body.startswith(rest) and len(rest) < len(body)
    server.wait_for(f"body of GET /body/{kind} ")
    if owner:
        until(lambda: aside(server, "closed") == [owner], "closed all the same")


@pytest.mark.parametrize("kind", ["pipe", "stream", "small-file", "large-file", "bytesio"])
def test_a_content_length_is_how_much_of_a_stream_is_sent(server: Server, kind: str) -> None:
    body, _, owner = BODIES[kind]
    clear(server)
    with Client(server) as client:
        reply = client.ask(f"/body/{kind}", f"X-Length: {len(body) - 1}")
        assert (reply.framing, reply.body) == ("length", body[:-1])
        assert client.ask("/body/str").body == TEXT
    if owner:
        until(lambda: aside(server, "closed") == [owner], "closed")


@pytest.mark.parametrize("status", [200, 404, 500])
def test_statuses_with_a_body(server: Server, status: int) -> None:
    with Client(server) as client:
        reply = client.ask(f"/status/{status}")
        assert (reply.status, reply.text, reply.framing) == (status, "a body\n", "length")


@pytest.mark.parametrize("status", [204, 205, 304])
@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_statuses_without_a_body(server: Server, status: int, version: str) -> None:
    with Client(server) as client:
        reply = client.ask(f"/status/{status}", "Connection: keep-alive", version=version)
        assert (reply.status, reply.body) == (status, b"")
        assert reply.get("Transfer-Encoding") is None
        if status == 204:
            assert reply.get("Content-Length") is None and reply.get("Content-Type") is None
        if status == 205:
            assert reply.get("Content-Length") == "0"
        if status == 304:  # RFC 9110 section 8.6: of the 200 answer, if anything
            assert reply.get("Content-Length") in (None, "7")
        client.nothing_yet()
        assert client.ask("/body/str").body == TEXT


# -- requests -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [0, 1, 20_000, 1 << 18, (1 << 18) + 1, 2 << 20, (2 << 20) + 1, 8 << 20])
def test_request_bodies_in_memory_and_in_a_file(server: Server, size: int, chunked: bool) -> None:
    body = (bytes(range(251)) * (size // 251 + 1))[:size]
    with Client(server) as client:
        if chunked:
            client.send(get("/echo", "Transfer-Encoding: chunked", method="POST"))
            for at in range(0, size, 60_001):
                piece = body[at : at + 60_001]
                client.send(b"%x;ext\r\n%b\r\n" % (len(piece), piece))
            client.send(b"0\r\n\r\n")
        else:
            client.send(get("/echo", f"Content-Length: {size}", method="POST") + body)
        reply = client.read()
        assert reply.status == 200
        assert reply.get("X-Digest") == hashlib.sha256(body).hexdigest()
        assert reply.get("X-Kind") == ("BytesIO" if size <= (1 << 18 if chunked else 2 << 20) else "BufferedRandom")
        assert client.ask("/body/str").body == TEXT


def test_rfile_reads_lines(server: Server) -> None:
    for size in (10, 400_000):
        body = b"".join(b"line %d\n" % number for number in range(size // 10))
        with Client(server) as client:
            reply = client.ask("/rfile", method="POST", body=body)
            assert json.loads(reply.body) == [size // 10, f"line {size // 10 - 1}\n"]


def test_a_pipelined_body_ends_where_it_ends(server: Server) -> None:
    with Client(server) as client:
        one = get("/echo", method="POST", body=b"first")
        two = get("/echo", "Transfer-Encoding: chunked", method="POST") + b"6\r\nsecond\r\n0\r\n\r\n"
        client.send(one + two + one + get("/body/str"))
        assert [client.read().body for _ in range(4)] == [b"first", b"second", b"first", TEXT]


def test_nothing_behind_a_closing_request_is_answered(server: Server) -> None:
    """And what was sent behind it does not cost the client the answer."""
    for closing in (get("/body/str", "Connection: close"), get("/sleep/0.01", version="HTTP/1.0")):
        with Client(server) as client:
            client.send(closing + get("/nowhere") * 5000)
            assert client.read().status == 200
            client.ended()


def test_a_body_that_nobody_wants_is_read_all_the_same(server: Server) -> None:
    with Client(server) as client:
        for path, status in (("/body/str", 405), ("/nowhere", 404), ("/about", 200)):
            assert client.ask(path, method="POST", body=b"x" * 100_000).status == status
        assert client.ask("/body/str", body=b"x" * 100_000).body == TEXT


def test_groups_by_index_and_name(server: Server) -> None:
    with Client(server) as client:
        assert json.loads(client.ask("/groups/a/b").body) == ["a", "b", None, None, 3, ["a", "b", None]]
        assert json.loads(client.ask("/groups/a/b/more").body) == ["a", "b", "/more", None, 3, ["a", "b", "/more"]]
        assert client.ask("/groups/a/b/mor").status == 404


def test_what_a_request_says_of_itself(server: Server) -> None:
    with Client(server) as client:
        for version in ("HTTP/1.1", "HTTP/1.1", "HTTP/1.0"):
            fields = ("Cookie: a=1", "User-Agent: test", "cookie: b=2", "Connection: keep-alive")
            seen = json.loads(client.ask("/about%20it?x=1?y", *fields, version=version).body)
            assert seen == {
                "method": "GET",
                "resource": "/about%20it?x=1?y",
                "path": "/about%20it",
                "query": "x=1?y",
                "http_version": version,
                "scheme": "http",
                "host": "a",
                "tls": False,
                "client_address": list(client.sock.getsockname()),
                "agent": "test",
                "cookies": ["a=1", "b=2"],
                "body": "",
            }
        seen = json.loads(client.ask("/about", method="POST", body=b"hi").body)
        assert (seen["method"], seen["query"], seen["body"]) == ("POST", "", "hi")


def test_no_route(server: Server) -> None:
    with Client(server) as client:
        for method in ("GET", "POST", "OPTIONS", "X-OWN"):
            reply = client.ask("/nowhere", method=method, body=b"x" if method == "POST" else b"")
            assert (reply.status, reply.text) == (404, "404 - Not Found\n")
            assert reply.get("Allow") is None
        assert client.ask("/nowhere", method="HEAD").status == 404
        client.nothing_yet()


def test_options_of_the_server_itself(server: Server) -> None:
    with Client(server) as client:
        reply = client.ask("*", method="OPTIONS")
        assert (reply.status, reply.body) == (204, b"")


def test_methods_are_case_sensitive(server: Server) -> None:
    """RFC 9110 section 9.1."""
    with Client(server) as client:
        for method in ("get", "Get", "head", "options"):
            assert client.ask("/body/str", method=method).status == 405
        assert client.ask("/body/str").body == TEXT


# -- Expect: 100-continue -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/echo", "/hesitant/yes"])
@pytest.mark.parametrize("chunked", [False, True])
def test_continue(server: Server, path: str, chunked: bool) -> None:
    framing = "Transfer-Encoding: chunked" if chunked else "Content-Length: 2"
    with Client(server) as client:
        for _ in range(2):
            client.send(get(path, framing, "Expect: 100-Continue", method="POST"))
            go_on = client.read()
            assert (go_on.status, go_on.reason, go_on.fields) == (100, "Continue", [])
            client.nothing_yet()
            client.send(b"2\r\nhi\r\n0\r\n\r\n" if chunked else b"hi")
            assert client.read().text == ("hi" if path == "/echo" else "asked early: hi")


def test_no_continue_for_a_body_that_is_there(server: Server) -> None:
    with Client(server) as client:
        client.send(get("/echo", "Expect: 100-continue", method="POST", body=b"hi"))
        assert client.read().text == "hi"
        client.send(get("/hesitant/yes", method="POST", body=b"hi"))
        assert client.read().text == "not asked: hi"


def test_no_continue_in_http_1_0(server: Server) -> None:
    with Client(server) as client:
        client.send(get("/echo", "Content-Length: 2", "Expect: 100-continue", method="POST", version="HTTP/1.0"))
        server.get("/aside")  # the one worker has seen what came before this
        client.nothing_yet()
        client.send(b"hi")
        assert client.read().text == "hi"


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/hesitant/no", 417, "417 - Expectation Failed\n"),
        ("/hesitant/error", 403, "not you\n"),
        ("/hesitant/bug", 500, "500 - Internal Server Error\n"),
        ("/nowhere", 404, "404 - Not Found\n"),
        ("/about", 200, None),
        ("/body/str", 405, "405 - Method Not Allowed\n"),
    ],
)
def test_a_client_that_waits_for_continue_gets_the_last_word_at_once(
    server: Server, path: str, status: int, text: str | None
) -> None:
    with Client(server, timeout=5) as client:
        client.send(get(path, "Content-Length: 5000000", "Expect: 100-continue", method="POST"))
        reply = client.read()
        if text is None:
            assert reply.status == 100
            return
        assert (reply.status, reply.text) == (status, text)
        assert reply.get("Connection") == "close"  # or the body could be taken for a request
        assert reply.get("X-Why") == ("too heavy" if status == 403 else None)
        assert reply.get("Allow") == ("GET, HEAD, OPTIONS" if status == 405 else None)
        for _ in range(50):  # a client that sends its body all the same can still read the answer
            client.send(bytes(100_000))
        client.ended()


def test_a_handler_that_answers_whatever_the_method_is_asked_for_continue(server: Server) -> None:
    with Client(server) as client:
        client.send(get("/whole", "Content-Length: 1", "Expect: 100-continue", method="PATCH"))
        assert client.read().status == 100
        client.send(b"x")
        assert client.read().text == "[patched]"


# -- hooks --------------------------------------------------------------------------------------------------------


def test_encode_and_decode(server: Server) -> None:
    with Client(server) as client:
        reply = client.ask("/encoded", method="POST", body=b'["x", 1]')
        assert (reply.status, reply.reason) == (200, "Fine")
        assert json.loads(reply.body) == {"got": ["x", 1]}
        assert client.ask("/encoded", method="POST", body=b"{").text == "no JSON\n"
        large = json.dumps("x" * 500_000).encode()
        assert len(client.ask("/encoded", method="POST", body=large).body) == len(large) + len('{"got": }')


def test_decode_is_not_asked_where_no_body_is(server: Server) -> None:
    with Client(server) as client:
        for method in ("GET", "HEAD"):
            assert client.ask("/encoded", method=method).status == 200
        assert client.ask("/encoded", method="OPTIONS").status == 204


def test_get_body(server: Server) -> None:
    with Client(server) as client:
        assert client.ask("/own-body", method="POST", body=b"AB").text == "[65, 66]"


def test_respond_wraps_every_method(server: Server) -> None:
    with Client(server) as client:
        assert client.ask("/whole").text == "[got]"
        assert client.ask("/whole", method="PATCH").text == "[patched]"
        assert client.ask("/whole", method="PUT").status == 405
        assert client.ask("/whole", method="HEAD").get("Content-Length") == "5"


def test_response_headers(server: Server) -> None:
    with Client(server) as client:
        reply = client.ask("/fields")
        assert (reply.status, reply.reason, reply.text, reply.framing) == (200, "All Right", "hello", "length")
        names = [name for name, _ in reply.fields]
        assert "x-lower-Case" in names
        assert [value for name, value in reply.fields if name == "Set-Cookie"] == ["a=1", "b=2"]
        assert (reply.get("Server"), reply.get("Content-Type")) == ("mine", "text/html")
        assert reply.get("Connection") is None
        reply = client.ask("/fields?close")
        assert reply.get("Connection") == "close"
        client.ended()


# -- errors -------------------------------------------------------------------------------------------------------


def test_http_errors(server: Server) -> None:
    with Client(server) as client:
        plain = client.ask("/fails/plain")
        assert (plain.status, plain.text, plain.get("Content-Type")) == (404, "404 - Not Found\n", PLAIN_TEXT)
        dressed = client.ask("/fails/dressed")
        assert (dressed.status, dressed.reason, dressed.text) == (401, "Say Your Name", "who are you?\n")
        assert (dressed.get("WWW-Authenticate"), dressed.get("X-More")) == ("Any", "1")
        assert client.ask("/fails/plain").get("WWW-Authenticate") is None
        gone = client.ask("/fails/bytes")
        assert (gone.status, gone.body) == (410, b"\x00gone")
        head = client.ask("/fails/dressed", method="HEAD")
        assert (head.status, head.get("Content-Length")) == (401, str(len(dressed.body)))
        assert client.ask("/body/str").body == TEXT


def test_error_routes(server: Server) -> None:
    with Client(server) as client:
        reply = client.ask("/fails/routed")
        assert (reply.status, reply.reason, reply.get("X-Teapot")) == (418, "I'm a teapot", "418")
        assert json.loads(reply.body) == {"error": 418, "message": "short and stout", "path": "/fails/routed"}


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        ("/fails/exception", "the secret of the handler"),
        ("/fails/exit", "out of here"),
        ("/fails/twice", "the secret of the error handler"),
        ("/bad/iterable-that-raises", "the secret of the generator"),
    ],
)
def test_what_a_handler_raises_goes_to_the_error_log_and_never_to_the_client(
    server: Server, path: str, secret: str
) -> None:
    seen = sum(secret in line for line in server.errors)
    with Client(server) as client:
        reply = client.ask(path)
        assert (reply.status, reply.reason, reply.text) == (
            500,
            "Internal Server Error",
            "500 - Internal Server Error\n",
        )
        assert client.ask("/body/str").body == TEXT
    server.wait_for(secret, count=seen + 1)
    server.wait_for("Traceback")
    server.wait_for(path)


@pytest.mark.parametrize(
    "name",
    [
        *("nothing", "number", "text", "one", "four", "status-text", "status-100", "status-600", "reason-number"),
        *("reason-split", "body-number", "body-object", "text-stream", "iterable-of-text", "value-crlf", "value-lf"),
        *("value-cr", "value-nul", "value-beyond-latin-1", "name-crlf", "name-space", "name-empty", "name-colon"),
        "length-text",
    ],
)
def test_a_result_that_cannot_be_sent_is_a_500(server: Server, name: str) -> None:
    clear(server)
    log = Log(server, f"/bad/{name} ")
    with Client(server) as client:
        reply = client.ask(f"/bad/{name}")
        assert (reply.status, reply.text) == (500, "500 - Internal Server Error\n")
        assert reply.get("X-B") is None
        assert client.ask("/body/str").body == TEXT
    assert " 500 28 " in log.lines(1)[0]
    server.wait_for(f"GET /bad/{name} ")
    if name in ("value-crlf", "name-crlf"):
        # a generator that was never begun has nothing to clean up
        assert aside(server, "closed") == []


def test_a_body_that_breaks_off_breaks_the_connection_off(server: Server) -> None:
    with Client(server) as client:
        client.send(get("/bad/raises-late") + get("/body/str"))
        data = client.broken_off()
    assert b"7\r\na piece\r\n" in data
    assert b"0\r\n\r\n" not in data and b"secret" not in data
    server.wait_for("the secret of the generator")


# -- stream = True ------------------------------------------------------------------------------------------------


def test_a_streaming_handler_reads_while_the_body_arrives(server: Server) -> None:
    clear(server)
    with Client(server) as client:
        client.send(get("/streamed/lines", "Content-Length: 12", method="POST"))
        for number, line in enumerate((b"one\n", b"two\n", b"six\n"), 1):
            client.nothing_yet()
            client.send(line)
            until(lambda number=number: len(aside(server, "progress")) == number, f"{number} lines read")
        assert client.read().text == "3 lines"
        assert client.ask("/body/str").body == TEXT
    assert aside(server, "progress") == ["one", "two", "six"]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_streaming_handler_takes_a_large_body(server: Server, chunked: bool) -> None:
    with Client(server) as client:
        if chunked:
            client.send(get("/streamed/digest", "Transfer-Encoding: chunked", "Expect: 100-continue", method="POST"))
            assert client.read().status == 100
            client.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(LARGE), LARGE))
        else:
            client.send(get("/streamed/digest", method="POST", body=LARGE))
        client.send(get("/body/str"))
        assert client.read().text == hashlib.sha256(LARGE).hexdigest()
        assert client.read().body == TEXT


def test_a_streaming_handler_can_have_the_body_whole(server: Server) -> None:
    with Client(server) as client:
        for body in (b"small", b"", b"again"):
            assert client.ask("/streamed/body", method="POST", body=body).body == body


def test_a_streaming_handler_that_does_not_read_answers_at_once(server: Server) -> None:
    with Client(server, timeout=5) as client:
        client.send(get("/streamed/unread", "Content-Length: 20000000", method="POST"))
        reply = client.read()
        assert (reply.status, reply.text, reply.get("Connection")) == (403, "no, thank you\n", "close")
        for _ in range(100):
            client.send(bytes(100_000))
        client.ended()


def test_a_streaming_handler_whose_client_goes_is_told(server: Server) -> None:
    for half_close in (True, False):
        clear(server)
        with Client(server) as client:
            client.send(get("/streamed/broken", "Content-Length: 100", method="POST") + b"half")
            if half_close:
                client.end_sending()
                assert client.read().status == 400
                client.ended()
            else:
                client.reset()
        until(lambda: aside(server, "progress") == ["broken off"], "the handler's read raised")
    assert not any("Traceback" in line for line in server.errors[-3:])


def test_an_answer_that_reads_the_body_after_the_handler_returned_breaks_off(server: Server) -> None:
    with Client(server) as client:
        client.send(get("/streamed/lazy", "Content-Length: 100", method="POST") + b"line\n")
        assert client.broken_off().endswith(b"\r\n\r\n5\r\nline\n\r\n")


# -- all workers --------------------------------------------------------------------------------------------------


def test_atomic_handlers_run_one_at_a_time_across_workers(start: Callable[..., Server]) -> None:
    server = start("framework", "--workers", "2")
    server.wait_for(r"worker \d .* is ready", count=2)
    clients, each = 8, 6

    def count(_: int) -> list[str]:
        with Client(server) as client:
            return [client.ask("/counter", method="POST").text for _ in range(each)]

    pids: list[str] = []
    with ThreadPoolExecutor(clients) as pool:
        while len(set(pids)) < 2:  # on a busy machine one worker may get all the connections of a round
            assert len(pids) < 10 * clients * each, "both workers take part"
            pids += [pid for answered in pool.map(count, range(clients)) for pid in answered]
    with Client(server) as client:
        assert client.ask("/counter").text == str(len(pids))
