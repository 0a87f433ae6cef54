"""Forms of real clients, to two workers: what arrives, what is refused, and that no file is left behind."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.admin.browser import Browser
from tests.form.forms import field, parts, upload
from tests.server import ROOT, Server

pytest.importorskip("multipart", reason="pip install 'webpy[form]'")

APP = '''
import hashlib, json
import webpy as web
from webpy.form import FormHandler, FormLimits

def show(value):
    if isinstance(value, str):
        return value
    file = value.pop("file")
    return {**value, "sha256": hashlib.sha256(file.read()).hexdigest()}

class Show(FormHandler):
    form_limits = FormLimits(file_bytes=3_000_000, total_bytes=3_500_000)
    def do_post(self):
        if self.groups[0] == "raise":
            raise ZeroDivisionError
        if self.groups[0] == "back":
            return 200, self.request.body["f"]["file"]
        form = self.request.body
        return 200, json.dumps({name: [show(value) for value in form.getlist(name)] for name in form})

class Stream(Show):
    stream = True

routes = {"/(show|raise|back)": Show, "/stream/(show|raise|back)": Stream}
'''
CONTENT = os.urandom(2_500_000)  # written to the disk, both as a body and as a file
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the server's temporary files."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    cwd = tmp_path_factory.mktemp("form")
    (cwd / "app.py").write_text(APP)
    server = Server("app.py", "--workers", "2", "--max-body", "4M", cwd=cwd, env={"TMPDIR": str(folder)})
    server.wait_until_listening()
    yield server
    server.kill()


@pytest.fixture(autouse=True)
def nothing_left(server: Server, folder: Path) -> Iterator[None]:
    """After each test no temporary file exists, or is open in a process of the server."""
    yield
    deadline = time.monotonic() + 5
    while (found := left(server, folder)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not found


def left(server: Server, folder: Path) -> list[str]:
    found = [str(path) for path in folder.iterdir()]
    for pid in server.processes():
        with contextlib.suppress(FileNotFoundError):
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):
                    found.append(f"{pid}: {entry.readlink()}")
    return [each for each in found if str(folder) in each]


def curl(*arguments: str) -> tuple[int, str]:
    command = ["curl", "-sS", "--max-time", "20", "-w", "\n%{http_code}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: status {done.returncode}: {done.stderr}"
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


STREAMED = pytest.mark.parametrize("prefix", ["", "/stream"])


@pytest.mark.needs("curl")
@STREAMED
def test_curl(server: Server, tmp_path: Path, prefix: str) -> None:
    url = server.url + prefix
    (tmp_path / "ü.bin").write_bytes(CONTENT)
    file = f"f=@{tmp_path}/ü.bin;type=image/x-test"

    status, text = curl("--data-urlencode", "a=ü & ö", "--data-urlencode", "a=2", "-d", "b=+%2B", f"{url}/show")
    assert (status, json.loads(text)) == (200, {"a": ["ü & ö", "2"], "b": [" +"]})
    wanted = {"filename": "ü.bin", "type": "image/x-test", "charset": "utf-8", "length": 2_500_000, "sha256": DIGEST}
    for more in ([], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"]):
        status, text = curl(*more, "-F", "a=1", "-F", file, "-F", 'q"ü=zwei', f"{url}/show")
        assert (status, json.loads(text)) == (200, {"a": ["1"], "f": [wanted], 'q"ü': ["zwei"]})
    back = tmp_path / "back"
    assert curl("-F", file, "-o", str(back), f"{url}/back")[0] == 200
    assert back.read_bytes() == CONTENT


@pytest.mark.needs("curl")
@STREAMED
def test_refusals(server: Server, tmp_path: Path, prefix: str) -> None:
    url = server.url + prefix
    (tmp_path / "over").write_bytes(bytes(3_000_001))
    (tmp_path / "far over").write_bytes(bytes(3_600_000))
    for count in (1, 3):  # in memory, on the disk
        (tmp_path / "file").write_bytes(CONTENT[: count * 100_000])
        assert curl("-F", f"f=@{tmp_path}/file", f"{url}/raise") == (500, "500 - Internal Server Error\n")
    over = f"f=@{tmp_path}/over"
    assert curl("-F", over, f"{url}/show") == (413, "a file may have 3000000 bytes, got more\n")
    assert curl("-F", f"f=@{tmp_path}/far over", f"{url}/show") == (413, "a form may have 3500000 bytes, got more\n")
    assert curl("-F", over, "-F", over, f"{url}/show")[0] == 413  # the server's own refusal, over --max-body
    assert curl("-H", "Content-Type: text/plain", "-d", "a", f"{url}/show")[0] == 415
    status, text = curl("-H", "Content-Type: multipart/form-data", "-d", "a", f"{url}/show")
    assert (status, text) == (400, "multipart/form-data: got no boundaries in Content-Type, wanted one\n")


@STREAMED
def test_clients_that_go(server: Server, prefix: str) -> None:
    head = f"POST {prefix}/show HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=xX\r\n"
    body = parts(upload("f", "x", CONTENT))
    for sent in (100_000, 2_000_000):
        with server.connect() as client:
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:sent])
    with server.connect() as client:  # shuts its side down before it has sent all of the form
        client.sendall(f"{head}Content-Length: 2000000\r\nConnection: close\r\n\r\n".encode() + body[:2_000_000])
        with client.makefile("rb") as answer:
            assert answer.readline() == b"HTTP/1.1 400 Bad Request\r\n"


def test_byte_by_byte(server: Server) -> None:
    body = parts(field("a", b"1"), upload("f", "x", b"\r\n--xY\r\n"))
    head = "POST /stream/show HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=xX\r\n"
    with server.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body:
            client.send(bytes([byte]))
        with client.makefile("rb") as stream:
            answer = stream.read()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["f"][0]["length"] == 8


@STREAMED
def test_requests(server: Server, prefix: str) -> None:
    fields = [("a", "ü"), ("a", "2 & 3"), ("b", "")]
    answer = requests.post(f"{server.url}{prefix}/show", data=fields, timeout=10)
    assert (answer.status_code, answer.json()) == (200, {"a": ["ü", "2 & 3"], "b": [""]})
    files = [("f", ("one.txt", b"one", "text/csv; charset=latin1")), ("f", ("zwei ü", CONTENT))]
    answer = requests.post(f"{server.url}{prefix}/show", data=fields, files=files, timeout=10)
    one, two = answer.json().pop("f")
    assert answer.json()["a"] == ["ü", "2 & 3"]
    assert (one["filename"], one["type"], one["charset"], one["length"]) == ("one.txt", "text/csv", "latin1", 3)
    assert (two["filename"], two["sha256"]) == ("zwei ü", DIGEST)


@pytest.fixture
def example(serve: Callable[..., Server], tmp_path: Path) -> Server:
    return serve(ROOT / "examples" / "upload.py", "--workers", "2", env={"UPLOADS": str(tmp_path / "kept")})


@pytest.mark.needs("curl")
def test_the_example(example: Server, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    (tmp_path / "<b>ü.txt").write_bytes(b"content")
    file = f"files=@{tmp_path}/<b>ü.txt"
    for _ in range(2):
        status, text = curl("--form-string", "title=<i>Two", "-F", file, "-F", file, example.url)
        assert status == 303 and re.fullmatch(r"(/files/[0-9a-f]{16} <b>ü\.txt \(7 bytes\)\n){2}", text)
    for _ in range(4):  # whichever worker answers
        page = example.get("/").body.decode()
        links = re.findall('<li><a href="(/files/[0-9a-f]{16})">&lt;b&gt;ü.txt</a> &lt;i&gt;Two', page)
        assert len(set(links)) == 4 and "<b>" not in page and "<i>" not in page
        answer = example.get(links[0])
        assert (answer.status, answer.body, answer.headers["X-Content-Type-Options"]) == (200, b"content", "nosniff")
        assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%3Cb%3E%C3%BC.txt"
    before = sorted(kept.iterdir())
    assert len(before) == 8
    assert example.get("/files/" + "0" * 16).status == example.get("/files/..%2f..%2fetc").status == 404
    as_title = file.replace("files=", "title=")
    for bad in (["-F", "title=none"], ["-d", "title=none"], ["-F", as_title, "-F", file], ["-F", "files=text"]):
        assert curl(*bad, example.url) == (400, "wanted a title and at least one file\n")
    assert curl(*["-F", file] * 21, example.url) == (413, "a form may have 20 parts, got more\n")
    assert sorted(kept.iterdir()) == before
    assert example.stop() == 0


@pytest.mark.slow
@pytest.mark.needs("chromium")
@pytest.mark.timeout(120)
def test_the_example_in_a_browser(example: Server, tmp_path: Path) -> None:
    files = {"large ü.bin": CONTENT[:900_000], 'quo"te%.txt': b"text\r\n", "empty": b""}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    browser = Browser()
    try:
        tab = browser.open(f"{example.url}/")
        tab.eval("document.querySelector('[name=title]').value = 'Zwölf & <b>'")
        node = tab.ask("DOM.querySelector", nodeId=tab.ask("DOM.getDocument")["root"]["nodeId"], selector="[type=file]")
        tab.ask("DOM.setFileInputFiles", files=[str(tmp_path / name) for name in files], nodeId=node["nodeId"])
        tab.click("button")
        tab.wait("document.querySelectorAll('li').length === 3")
        assert tab.eval("location.href") == f"{example.url}/"
        shown: Any = tab.eval("[...document.querySelectorAll('li')].map((item) => item.innerText)")
        assert sorted(shown) == sorted(f"{name} Zwölf & <b>" for name in files)
        for name, content in files.items():
            found = f"[...document.querySelectorAll('a')].find((link) => link.innerText === {json.dumps(name)}).href"
            count = tab.eval(f"fetch({found}).then((got) => got.blob()).then((blob) => blob.size)")
            assert count == len(content)
            link = str(tab.eval(found)).removeprefix(example.url)
            assert example.get(link).body == content
        assert not [trouble for trouble in tab.troubles() if "/favicon.ico" not in trouble]
    finally:
        browser.close()
    assert example.stop() == 0
