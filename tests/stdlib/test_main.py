"""`python -m webpy` beside `python -m http.server` on one folder: what a client sees of both is the same."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.server import ROOT, Server

MAIN = [sys.executable, "-m", "webpy"]
Pair = tuple[tuple[str, int], tuple[str, int]]  # the real one's address, and ours


def words(text: str) -> list[str]:
    return text.split()


NAMES = words(r"""
    a.txt ü.txt a&b<c>'".html %41.txt a?b.txt a#b.txt .hidden .hidden.txt X.HTML x.tar.gz x.tgz x.gz x.Z x.bz2 x.xz
    a.html.br noext a. a\b.txt empty x.js x.png x.svg x.json x.md x.wasm x.webmanifest a;b=c.txt a+b.txt a:b.txt
    ~user
""")
NAMES += ["a b.txt", "a\nb.txt", "\udcff.txt"]


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    # not below pytest's own: there nobody, as whom root's scripts run, may not go
    with tempfile.TemporaryDirectory() as place:
        yield fill(Path(place))


def fill(place: Path) -> Path:
    top = place / "top"
    for folder in words("sub/deep index htm both index_folder/index.html dir.txt .git ä_ö empty_folder cgi-bin"):
        (top / folder.replace("_ö", " ö")).mkdir(parents=True)
    for name in NAMES:
        (top / name).write_bytes(b"" if name == "empty" else os.fsencode(f"content of {name}\n"))
    for name in ("sub/b.txt", "index/index.html", "htm/index.htm", "both/index.html", "both/index.htm", ".git/config"):
        (top / name).write_text(f"<p>{name}</p>")
    (place / "outside.txt").write_text("outside")
    (top / "link.txt").symlink_to("a.txt")
    (top / "link_out.txt").symlink_to("../outside.txt")
    (top / "link_sub").symlink_to("sub")
    (top / "link_broken").symlink_to("nowhere")
    (top / "link_loop").symlink_to("link_loop")
    os.mkfifo(top / "fifo")
    os.utime(top / "a.txt", (1_700_000_000.7, 1_700_000_000.7))
    told = (
        r'printf "Content-Type: text/plain\n\n"; '
        'printf "$REQUEST_METHOD $SCRIPT_NAME $PATH_INFO $QUERY_STRING $*"; test $REQUEST_METHOD = GET || cat'
    )
    for name, text in {"told": told, "bare": "exit 0"}.items():
        script = top / "cgi-bin" / name
        script.write_text(f"#!/bin/sh\n{text}\n")
        script.chmod(0o755)
    (top / "cgi-bin" / "data").write_text("no script")
    place.chmod(0o755)
    return top


@contextlib.contextmanager
def real(folder: Path, *options: str) -> Iterator[tuple[str, int]]:
    command = [sys.executable, "-u", "-W", "ignore", "-m", "http.server", "0", "--bind", "127.0.0.1", *options]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"Serving HTTP on 127\.0\.0\.1 port (\d+)", line)
            assert found, line
            yield "127.0.0.1", int(found[1])
        finally:
            process.terminate()


def start(*options: str, cwd: Path, bind: str | None = "127.0.0.1") -> Server:
    server = Server("0", *options, cwd=cwd, program=MAIN, bind=bind, env={"WEBPY_WORKERS": "2"})
    server.wait_until_listening()
    return server


@pytest.fixture(scope="module")
def pair(place: Path) -> Iterator[Pair]:
    with real(place) as address:
        server = start(cwd=place)
        yield address, server.address
        server.kill()


def ask(address: tuple[str, int], method: str, path: str, headers: dict[str, str] | None = None) -> dict[str, object]:
    with contextlib.closing(http.client.HTTPConnection(*address, timeout=10)) as client:
        client.request(method, path, headers=headers or {})
        got = client.getresponse()
        body = got.read()
        told = {"status": got.status, "reason": got.reason, "body": body}
        for name in ("Content-Type", "Content-Length", "Location", "Last-Modified"):
            told[name] = got.headers[name]
        if got.status == 304:
            del told["Last-Modified"]  # ours has it, and an ETag
        if told["Location"]:
            del told["Content-Length"]  # some Pythons leave it out
        return told


def compare(pair: Pair, method: str, path: str, **headers: str) -> dict[str, object]:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    wanted, got = (ask(address, method, path, fields) for address in pair)
    assert got == wanted, f"{method} {path} {fields}"
    return got


PATHS = words(r"""
    / /? /?x=1 /sub /sub/ /sub?q=1 /sub/?q=1 /sub/b.txt /index /index/ /htm/ /both/ /index_folder/ /dir.txt
    /dir.txt/ /.git/ /.git/config /%C3%A4%20%C3%B6 /%C3%A4%20%C3%B6/ /empty_folder/ /a.txt/ /a.txt/x //a.txt
    //sub/ /sub//b.txt /./a.txt /sub/../a.txt /sub%2fb.txt /sub%2Fb.txt%2F /a.txt?x=/ /nope /nope/ /%ff /link_sub
    /link_sub/ /link_sub/b.txt /link_broken /link_loop /cgi-bin /cgi-bin/ /cgi-bin/told /a.txt%20 /A.TXT
    /sub/deep/../b.txt /sub;x /a.txt;x /sub%5C /%3Cscript%3E
""")
PATHS += ["/x" * 300, "/" + "x" * 300]


SCRIPTS = words("""
    /cgi-bin/told /cgi-bin/told/more/info?a=b /cgi-bin/told?word+two /cgi-bin/ /cgi-bin /cgi-bin/nope /cgi-bin/data
    //cgi-bin/told /%63gi-bin/told /sub/../cgi-bin/told /cgi-bin/./told /a.txt /
""")


def test_paths(pair: Pair) -> None:
    seen = {compare(pair, method, path)["status"] for path in PATHS for method in ("GET", "HEAD")}
    assert seen == {200, 301, 404}


def test_paths_in_normal_form(pair: Pair) -> None:
    """webpy brings every path into normal form first; the standard library passes it to the file system."""
    odd = {"/sub/.": "/sub/", "/sub/..": "/", "/sub/../": "/", "/sub/deep/..": "/sub/", "///sub": "/sub"}
    for path, normal in odd.items():
        assert ask(pair[1], "GET", path) == ask(pair[1], "GET", normal) == ask(pair[0], "GET", normal)
    above = ("/../a.txt", "/../../etc/passwd", "/%2e%2e/a.txt", "/%2e%2e/outside.txt")
    for path in (*above, "/%", "/%zz", "/sub\\", "/<script>"):
        assert ask(pair[1], "GET", path)["status"] == 400


def test_everything_that_is_listed(pair: Pair) -> None:
    listing = compare(pair, "GET", "/")["body"]
    assert isinstance(listing, bytes)
    links = re.findall(r'href="([^"]*)"', listing.decode('latin-1'))
    assert len(links) >= len(NAMES) and {".hidden", "link_out.txt", "fifo", "sub/"} <= set(links)
    for link in links:
        if link != "fifo":  # the real one waits for somebody to write
            compare(pair, "GET", "/" + link)
            compare(pair, "HEAD", "/" + link)
    assert ask(pair[1], "GET", "/fifo")["status"] == 404


def test_conditions(pair: Pair) -> None:
    modified = "Tue, 14 Nov 2023 22:13:20 GMT"
    for value, status in {
        modified: 304,
        "Tue, 14 Nov 2023 22:13:19 GMT": 200,
        "Tue, 14 Nov 2023 22:13:21 GMT": 304,
        "Tuesday, 14-Nov-23 22:13:20 GMT": 304,
        "Tue Nov 14 22:13:20 2023": 304,
        "yesterday": 200,
        "": 200,
    }.items():
        for method in ("GET", "HEAD"):
            assert compare(pair, method, "/a.txt", If_Modified_Since=value)["status"] == status
    compare(pair, "GET", "/a.txt", If_Modified_Since=modified, If_None_Match='"other"')
    compare(pair, "GET", "/sub/", If_Modified_Since="Tue, 14 Nov 2040 22:13:20 GMT")
    compare(pair, "GET", "/both/", If_Modified_Since="Tue, 14 Nov 2040 22:13:20 GMT")


def test_methods(pair: Pair) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "FOO", "get", "TRACE"):
        for path in ("/", "/a.txt", "/nope"):
            assert compare(pair, method, path)["status"] == 501


def test_what_is_more(pair: Pair) -> None:
    ours = pair[1]
    with contextlib.closing(http.client.HTTPConnection(*ours, timeout=10)) as client:
        client.request("GET", "/a.txt", headers={"Range": "bytes=0-6"})
        part = client.getresponse()
        assert (part.status, part.read()) == (206, b"content")
        first = client.sock
        client.request("GET", "/a.txt", headers={"If-None-Match": part.headers["ETag"]})
        assert client.getresponse().status == 304
        assert client.sock is first


def test_a_file_that_changes_is_sent_as_it_is(pair: Pair, place: Path) -> None:
    file = place / "sub" / "changing.txt"
    for text in ("one", "three"):
        file.write_text(text)
        assert compare(pair, "GET", "/sub/changing.txt")["body"] == text.encode()
    file.unlink()
    compare(pair, "GET", "/sub/changing.txt")


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info >= (3, 15), reason="http.server has no --cgi any more")
def test_scripts(place: Path) -> None:
    with real(place, "--cgi") as address:
        server = start("--cgi", cwd=place)
        pair = address, server.address
        try:
            for path in SCRIPTS:
                wanted, got = (ask(address, "GET", path) for address in pair)
                assert got["status"] == wanted["status"], path
                if got["status"] == 200 and "told" in path:
                    assert (got["body"], got["Content-Type"]) == (wanted["body"], wanted["Content-Type"]), path
            wanted, got = (ask(address, "POST", "/a.txt") for address in pair)
            assert got == wanted and got["status"] == 501
            assert server.request("POST", "/cgi-bin/told", b"sent").body == b"POST /cgi-bin/told   sent"
            assert server.get("/cgi-bin/bare").status == 500  # where the real one answers 200 and nothing
        finally:
            server.kill()


@pytest.mark.slow
def test_both_families_and_the_first_line(place: Path) -> None:
    server = start(cwd=place, bind=None)
    try:
        line = server.wait_for("^Serving HTTP on ", server.log)
        found = re.fullmatch(r"Serving HTTP on (\S+) port (\d+) \(http://(\S+):\2/\) \.\.\.", line)
        assert found
        for host in ["127.0.0.1", *(["::1"] if found[1] == "::" else [])]:
            assert ask((host, int(found[2])), "GET", "/a.txt")["status"] == 200
        assert server.stop(2) == 0
    finally:
        server.kill()


@pytest.mark.slow
def test_options(place: Path, tmp_path: Path) -> None:
    (tmp_path / "webpy.toml").write_text("this is not read")
    server = start("-d", str(place), "--protocol", "HTTP/1.0", cwd=tmp_path, bind="localhost")
    try:
        (place / "webpy.toml").write_text("admin_token = 'secret'")
        listing = ask(server.address, "GET", "/")["body"]
        assert b"a.txt" in listing and b"webpy.toml" not in listing
        for path, status in (("/a.txt", b"200"), ("/nope", b"404"), ("/sub", b"301"), ("/webpy.toml", b"404")):
            with socket.create_connection(server.address, timeout=10) as sock:
                sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                got = b"".join(iter(lambda: sock.recv(1000), b""))
            assert got.startswith(b"HTTP/1.1 " + status) and b"\r\nConnection: close\r\n" in got
    finally:
        server.kill()


@pytest.mark.slow
def test_tls(place: Path, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    server = start("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"), cwd=place)
    try:
        server.wait_for("^Serving HTTPS on 127.0.0.1 port .* \\(https://", server.log)
        context = ssl.create_default_context()
        authority.configure_trust(context)
        with contextlib.closing(http.client.HTTPSConnection(*server.address, context=context, timeout=10)) as client:
            client.request("GET", "/a.txt")
            assert client.getresponse().read() == b"content of a.txt\n"
    finally:
        server.kill()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["eight"], 2, "'eight' is not a valid integer"),
        (["65536"], 2, "65536 is not in the range"),
        (["-d", "nowhere"], 2, "'nowhere' does not exist"),
        (["--tls-key", __file__], 2, "--tls-key needs --tls-cert"),
        (["0", "--bind", "256.1.1.1"], 4, "cannot bind port 0 of 256.1.1.1"),
        (["TAKEN", "--bind", "127.0.0.1"], 4, "Address already in use"),
    ],
)
def test_mistakes(arguments: list[str], status: int, words: str, tmp_path: Path) -> None:
    from tests.server import ROOT

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*MAIN, *(port if argument == "TAKEN" else argument for argument in arguments)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=20,
        )
    assert (done.returncode, done.stdout) == (status, "")
    assert words in done.stderr and "Traceback" not in done.stderr


def test_the_name_of_a_command_is_that_command(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("def app(environ, start_response): ...")
    done = subprocess.run(
        [sys.executable, "-m", "webpy", "check", "app.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()[:1]) == (0, ["ok: app.py:app — all paths (wsgi)"])
