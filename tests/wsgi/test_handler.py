"""What an application may do (PEP 3333), tested by requests to a server with two workers."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

import webpy.wsgi
import webpy.wsgi.environ
from tests.server import Server

APPS = Path(__file__).parent / "apps"
CORNERS = APPS / "corners.py"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(CORNERS, "--workers", "2", "--max-body", "2M", cwd=tmp_path_factory.mktemp("wsgi"))
    server.wait_until_listening()
    server.wait_for(r"worker \d+ gen 1 .* is ready", count=2)
    yield server
    server.kill()


AT = "/mounted/here"


def closings(server: Server, name: str) -> int:
    """Return how often bodies called `name` have been closed."""
    told = server.cwd / "closed"
    return told.read_text().split().count(name) if told.exists() else 0


def wait_for_closings(server: Server, name: str, count: int) -> None:
    deadline = time.monotonic() + 10
    while closings(server, name) < count:
        assert time.monotonic() < deadline, f"{name} was closed {closings(server, name)} times, wanted {count}"
        time.sleep(0.01)
    assert closings(server, name) == count


def test_both_workers_answer(server: Server) -> None:
    with contextlib.ExitStack() as stack:  # connections that last are shared by their number
        clients = [stack.enter_context(contextlib.closing(server.client())) for _ in range(12)]
        answered = set()
        for client in clients:
            client.request("GET", f"{AT}/who")
            answered.add(client.getresponse().read())
    assert len(answered) == 2


def test_the_environment(server: Server) -> None:
    headers = {"X-Twice": "1", "Content-Type": "text/x", "X_Under": "no", "Proxy": "evil", "Cookie": "a=1"}
    got = server.request("POST", f"/x/..{AT}//environment/%c3%a9/%78?q=%20;a", b"body", headers)
    told = json.loads(got.body)
    host, port = server.address
    assert {name: told[name] for name in told if name.startswith(("REQUEST", "SCRIPT", "PATH", "QUERY", "SERVER"))} == {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": AT,
        "PATH_INFO": "/environment/\xc3\xa9/x",
        "QUERY_STRING": "q=%20;a",
        "REQUEST_URI": f"/x/..{AT}//environment/%c3%a9/%78?q=%20;a",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "webpy",
    }
    assert told["REMOTE_ADDR"] == "127.0.0.1" and told["REMOTE_PORT"].isdigit()
    assert (told["CONTENT_TYPE"], told["CONTENT_LENGTH"]) == ("text/x", "4")
    assert told["HTTP_HOST"] == f"{host}:{port}" and told["HTTP_X_TWICE"] == "1" and told["HTTP_COOKIE"] == "a=1"
    assert not {"HTTP_X_UNDER", "HTTP_PROXY", "HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"} & set(told)
    flags = {name: told[name] for name in told if name.startswith("wsgi.")}
    assert flags == {
        "wsgi.version": [1, 0],
        "wsgi.url_scheme": "http",
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }


def test_the_same_head_again_gets_an_environment_of_its_own(server: Server) -> None:
    """The worker caches heads: what one request changes in its environment must not show in another's."""
    with contextlib.closing(server.client()) as client:
        ports = set()
        for _ in range(5):
            client.request("GET", f"{AT}/environment")
            told = json.loads(client.getresponse().read())
            ports.add(told["REMOTE_PORT"])
            assert told["PATH_INFO"] == "/environment" and "CONTENT_LENGTH" not in told
    assert len(ports) == 1
    with contextlib.closing(server.client()) as client:
        client.request("GET", f"{AT}/environment")
        assert json.loads(client.getresponse().read())["REMOTE_PORT"] not in ports


def test_what_an_application_puts_into_its_environment_stays_there(server: Server) -> None:
    with contextlib.closing(server.client()) as client:
        for _ in range(4):
            client.request("GET", f"{AT}/marked")
            assert client.getresponse().read() == b"clean"


def test_fields_that_come_twice_are_one(server: Server) -> None:
    fields = "Cookie: a=1\r\nX-Twice: 1\r\ncookie: b=2\r\nx-twice: 2\r\nConnection: close\r\n"
    with server.connect() as sock:
        sock.sendall(f"GET {AT}/environment HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode())
        body = b"".join(iter(lambda: sock.recv(65536), b"")).partition(b"\r\n\r\n")[2]
    told = json.loads(body)
    assert (told["HTTP_COOKIE"], told["HTTP_X_TWICE"]) == ("a=1; b=2", "1,2")


def test_paths_of_a_mount(server: Server) -> None:
    assert json.loads(server.get(AT).body)["PATH_INFO"] == ""
    assert json.loads(server.get(f"{AT}?x").body)["QUERY_STRING"] == "x"
    assert json.loads(server.get(f"{AT}/").body)["PATH_INFO"] == "/"
    assert server.get(f"{AT}more").status == 404
    assert server.get("/beside").body == b"beside\n"


def test_bodies(server: Server) -> None:
    big = bytes(range(256)) * 4000  # in a file
    for body in (b"", b"small", big):
        answer = server.request("PUT", f"{AT}/echo", body)
        assert answer.body == body
    assert server.request("PUT", f"{AT}/lines", b"one\ntwo\nthree").body == b"ONE\ntwo\nthree|"
    assert server.request("PUT", f"{AT}/echo", bytes(3 << 20)).status == 413


def test_chunked_bodies_have_a_length(server: Server) -> None:
    with contextlib.closing(server.client()) as client:
        client.request("POST", f"{AT}/echo", iter([b"ab", b"cde"]), encode_chunked=True)
        answer = client.getresponse()
        assert (answer.read(), answer.headers["X-Length"]) == (b"abcde", "5")


def test_expect_continue(server: Server) -> None:
    with server.connect() as sock:
        head = f"POST {AT}/echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        sock.sendall(head.encode())
        assert sock.recv(1000).startswith(b"HTTP/1.1 100 ")
        sock.sendall(b"hi")
        assert sock.recv(1000).endswith(b"\r\n\r\nhi")


@pytest.mark.parametrize(
    ("corner", "status", "body"),
    [
        ("late_start", 202, b"late"),
        ("replaced", 503, b"replaced"),
        ("writes", 200, b"written twice returned"),
        ("writes_much", 200, b"w" * 1_000_000 + b"end"),
        ("counted", 200, b"abcdef"),
        ("one_piece", 200, b"abc"),
        ("made", 200, b"abcdef"),
        ("made_counted", 203, b"abcdef"),
        ("hops", 200, b"hops"),
        ("memory_file", 200, b"in memory"),
        ("bare_reader", 200, b"2222211111" + b"00000"),
        ("file", 200, CORNERS.read_bytes()),
        ("part_of_file", 206, CORNERS.read_bytes()[3:13]),
        ("unauthorized", 401, b""),
        ("not_modified", 304, b""),
    ],
)
def test_answers(server: Server, corner: str, status: int, body: bytes) -> None:
    answer = server.get(f"{AT}/{corner}")
    assert (answer.status, answer.body) == (status, body)
    head = server.request("HEAD", f"{AT}/{corner}")
    assert (head.status, head.body) == (status, b"")
    assert head.headers["Content-Type"] == answer.headers["Content-Type"]


def test_reasons_and_fields(server: Server) -> None:
    assert server.get(f"{AT}/late_start").reason == "Taken"
    assert server.get(f"{AT}/unauthorized").reason == "Who are you"
    hops = server.get(f"{AT}/hops").headers
    assert (hops["X-Kept"], hops["Keep-Alive"], hops["Upgrade"]) == ("yes", None, None)
    assert server.get(f"{AT}/repeated").headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert server.get(f"{AT}/counted").headers["Content-Length"] == "6"
    assert server.get(f"{AT}/file").headers["Content-Length"] == str(CORNERS.stat().st_size)
    assert server.get(f"{AT}/late_start").headers["Transfer-Encoding"] == "chunked"
    assert server.get(f"{AT}/made_counted").reason == "As said"


def test_a_body_that_is_there_already_has_its_length_and_is_closed_once(server: Server) -> None:
    """Between its pieces nothing of the application's runs: so they are joined."""
    names = ("made", "made_counted", "made_wrong", "made_none")
    before = {name: closings(server, name) for name in names}
    for name in ("made", "made_counted"):
        headers = server.get(f"{AT}/{name}").headers
        assert (headers["Content-Length"], headers["Transfer-Encoding"]) == ("6", None)
        assert server.request("HEAD", f"{AT}/{name}").body == b""
    assert server.request("HEAD", f"{AT}/made").headers["Content-Length"] in (None, "6")
    assert server.get(f"{AT}/made_none").status == 304
    with contextlib.suppress(http.client.IncompleteRead, ConnectionResetError):
        assert server.get(f"{AT}/made_wrong").status == 500
    for name, count in {"made": 3, "made_counted": 2, "made_wrong": 1, "made_none": 1}.items():
        wait_for_closings(server, name, before[name] + count)


def test_names_of_fields_are_kept_in_bounds(server: Server) -> None:
    with contextlib.closing(server.client()) as client:
        for number in range(1200):
            headers = {f"X-{number}-{'y' * (number % 90)}": "1", "x-Again": str(number), "Pro-xy_": "no"}
            client.request("GET", f"{AT}/environment", headers=headers)
            told = json.loads(client.getresponse().read())
            assert told[f"HTTP_X_{number}_{'Y' * (number % 90)}"] == "1" and told["HTTP_X_AGAIN"] == str(number)
            assert "HTTP_PRO_XY_" not in told
    for number in range(2000):
        assert webpy.wsgi.environ._variables[f"X-{number}"] == f"HTTP_X_{number}"
        assert webpy.wsgi.environ._variables["X" * 100] == "HTTP_" + "X" * 100
        assert len(webpy.wsgi.environ._variables) <= webpy.wsgi.environ._MAX_NAMES
    webpy.wsgi.environ._variables.clear()


@pytest.mark.parametrize(
    ("corner", "said"),
    [
        ("never_started", "has not called start_response"),
        ("never_started_empty", "has not called start_response"),
        ("started_twice", "start_response was called a second time without exc_info"),
        ("raises_first", "ZeroDivisionError: before the body"),
        ("bad_status", "start_response: got status 'OK', wanted such as '200 OK'"),
        ("bad_headers", "start_response: got headers {'Content-Type': 'text/plain'}, wanted a list of tuples"),
        ("bad_value", "value of X-Split is"),
        ("bad_body", "the application's body has 'text', wanted bytes"),
    ],
)
def test_faults_are_a_500_and_told_in_the_log(server: Server, corner: str, said: str) -> None:
    answer = server.get(f"{AT}/{corner}")
    assert (answer.status, answer.body) == (500, b"500 - Internal Server Error\n")
    server.wait_for(re.escape(said))


@pytest.mark.parametrize("corner", ["raises_late", "too_late", "too_short"])
def test_a_late_fault_breaks_the_answer_off(server: Server, corner: str) -> None:
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        server.get(f"{AT}/{corner}")
    wait_for_closings(server, corner, 1)


def test_bodies_are_closed_once(server: Server) -> None:
    before = {name: closings(server, name) for name in ("counted", "one_piece", "writes_much", "raises_first")}
    for name in before:
        server.get(f"{AT}/{name}")
        server.request("HEAD", f"{AT}/{name}")
    for name, count in before.items():
        wait_for_closings(server, name, count + 2)


def test_a_body_is_closed_when_the_client_leaves(server: Server) -> None:
    with server.connect() as sock:
        sock.sendall(f"GET {AT}/endless HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert sock.recv(100)
    wait_for_closings(server, "endless", 1)


def test_errors_go_to_the_error_log(server: Server) -> None:
    assert server.get(f"{AT}/complains").body == b"said"
    server.wait_for("the application complains")


@pytest.mark.parametrize(
    "corner", ["environment", "counted", "one_piece", "made", "file", "unauthorized", "repeated", "replaced"]
)
def test_wsgiref_finds_no_fault_with_us(server: Server, corner: str) -> None:
    errors = len(server.errors)
    answer = server.request("POST", f"/validated/{corner}", b"x")
    assert answer.status in (200, 401, 503)
    assert not [line for line in server.errors[errors:] if "Assertion" in line]


def test_http_1_0_without_host(server: Server) -> None:
    with server.connect() as sock:
        sock.sendall(f"GET {AT}/environment HTTP/1.0\r\n\r\n".encode())
        head, _, body = b"".join(iter(lambda: sock.recv(65536), b"")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    told = json.loads(body)
    host, port = server.address
    assert (told["SERVER_NAME"], told["SERVER_PORT"], told["SERVER_PROTOCOL"]) == (host, str(port), "HTTP/1.0")
    assert "HTTP_HOST" not in told


def test_without_a_host_it_is_the_address_that_the_client_came_to(serve: Callable[..., Server]) -> None:
    server = serve(CORNERS, "--workers", "1", "--bind", "127.0.0.1:0")
    server.wait_for("worker 0 gen 1 .* is ready")
    told = re.findall(r"listening on http://127.0.0.1:(\d+)", "\n".join(server.errors))
    assert len(told) == 2
    for port in told * 3:  # one head, which comes again and again
        with socket.create_connection(("127.0.0.1", int(port)), timeout=10) as sock:
            sock.sendall(f"GET {AT}/environment HTTP/1.0\r\n\r\n".encode())
            body = b"".join(iter(lambda sock=sock: sock.recv(65536), b"")).partition(b"\r\n\r\n")[2]
        assert json.loads(body)["SERVER_PORT"] == port
    assert server.stop() == 0


def test_the_port_is_the_one_that_the_client_came_to(server: Server) -> None:
    """The client can send anything as Host."""
    for host in ("shop.example:1", "shop.example", "shop.example:1", "shop.example:1"):
        told = json.loads(server.request("GET", f"{AT}/environment", None, {"Host": host}).body)
        assert (told["SERVER_NAME"], told["SERVER_PORT"]) == ("shop.example", str(server.address[1]))
        assert told["HTTP_HOST"] == host


def test_one_head_on_two_ports(serve: Callable[..., Server]) -> None:
    server = serve(CORNERS, "--workers", "1", "--bind", "127.0.0.1:0")
    server.wait_for("worker 0 gen 1 .* is ready")
    for port in re.findall(r"listening on http://127.0.0.1:(\d+)", "\n".join(server.errors)) * 3:
        with socket.create_connection(("127.0.0.1", int(port)), timeout=10) as sock:
            sock.sendall(f"GET {AT}/environment HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            body = b"".join(iter(lambda sock=sock: sock.recv(65536), b"")).partition(b"\r\n\r\n")[2]
        assert json.loads(body)["SERVER_PORT"] == port


def test_an_escaped_slash_or_nul(serve: Callable[..., Server], server: Server, tmp_path: Path) -> None:
    """Alone, an application gets it decoded, as from other servers; beside other routes it could bypass them."""
    (tmp_path / "alone.py").write_text(
        "def app(environ, start):\n    start('200 OK', [])\n    return [environ['PATH_INFO'].encode('latin-1')]\n"
    )
    alone = serve("alone:app", "--workers", "1")
    assert alone.get("/a%2Fb%00/%252F").body == b"/a/b\x00/%2F"
    for path in ("environment%2Fx", "environment%2fx", "environment/%00"):
        assert server.get(f"{AT}/{path}").status == 404
    assert json.loads(server.get(f"{AT}/environment/%252F").body)["PATH_INFO"] == "/environment/%2F"


def test_what_new_refuses() -> None:
    for remote in ("shop", "/shop/", "/", "/a b", "/a?b", "/é"):
        with pytest.raises(ValueError, match="remote: got"):
            webpy.wsgi.new(lambda *_: [], remote)
    with pytest.raises(TypeError, match="wanted a callable"):
        webpy.wsgi.new(3)  # type: ignore[arg-type]
    for remote in ("/..", "/a/../..", "/a%zz"):
        with pytest.raises(ValueError, match="remote: got"):
            webpy.wsgi.new(lambda *_: [], remote)
    assert len(webpy.wsgi.new(lambda *_: [], "/%C3%A9/b-c")) == 1
    assert webpy.wsgi.new(lambda *_: [], "/%c3%a9/%62/../c").keys() == webpy.wsgi.new(lambda *_: [], "/%C3%A9/c").keys()


@pytest.mark.parametrize("spelled", [lambda path: f"{path}:app", lambda path: str(path)])
def test_served_as_a_target(serve: Callable[..., Server], spelled: Callable[[Path], str], tmp_path: Path) -> None:
    alone = tmp_path / "alone.py"
    alone.write_text("def app(environ, start):\n    start('200 OK', [])\n    return [environ['PATH_INFO'].encode()]\n")
    server = serve(spelled(alone), "--workers", "1")
    assert server.get("/a/b").body == b"/a/b"
    assert server.stop() == 0


def test_under_tls(serve: Callable[..., Server], tmp_path: Path) -> None:
    authority = trustme.CA()
    pem = tmp_path / "pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(pem)
    server = serve(CORNERS, "--workers", "1", "--certfile", str(pem), "--keyfile", str(pem))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with contextlib.closing(http.client.HTTPSConnection(*server.address, context=context, timeout=10)) as client:
        for _ in range(3):  # the third time from what the worker remembers of the head
            client.request("GET", f"{AT}/environment", headers={"Host": "shop.example"})
            told = json.loads(client.getresponse().read())
            assert told["wsgi.url_scheme"] == "https"
            assert (told["SERVER_NAME"], told["SERVER_PORT"]) == ("shop.example", str(server.address[1]))
        client.request("GET", f"{AT}/file")
        assert client.getresponse().read() == CORNERS.read_bytes()
    assert server.stop() == 0
