"""The scripts of examples/stdlib, started as their docstrings say, with the requests of the `curl` lines there."""

from __future__ import annotations

import ast
import email.utils
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import ROOT, Server

EXAMPLES = ROOT / "examples" / "stdlib"
Serve = Callable[..., Server]
Try = Callable[[str], list[str]]

pytestmark = pytest.mark.needs("curl")


@pytest.fixture
def answers(serve: Serve, tmp_path: Path) -> Try:
    """Return `answers(name)`, which returns what each line of `curl` in the example's docstring prints."""

    def give(name: str) -> list[str]:
        text = (EXAMPLES / name).read_text()
        script = tmp_path / name
        script.write_text(text.replace("8080)", "0)"))
        server = serve(script, program=[sys.executable], bind=None, env={"WEBPY_WORKERS": "2"})
        lines = re.findall(r"^    (curl .*)$", ast.get_docstring(ast.parse(text), clean=False) or "", re.M)
        assert lines and "localhost:8080" in text
        given = [curl(line.replace("http://localhost:8080", server.url)) for line in lines]
        assert server.stop() == 0
        return given

    return give


def curl(line: str) -> str:
    _, *arguments = shlex.split(line)
    done = subprocess.run(
        ["curl", "-sS", "--max-time", "20", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_every_example_is_here() -> None:
    assert EXAMPLES.name == "stdlib"
    source = Path(__file__).read_text()
    assert not [path.name for path in EXAMPLES.glob("*.py") if f'answers("{path.name}")' not in source]


@pytest.mark.slow
def test_run(answers: Try) -> None:
    (answer,) = answers("run.py")
    assert answer.startswith("HTTP/1.1 501 Unsupported method ('GET')") and "Error code: 501" in answer


@pytest.mark.slow
def test_folder(answers: Try) -> None:
    file, listing, missing, put = answers("folder.py")
    assert "serving at port" in file
    assert 'href="folder.py"' in listing
    assert missing.startswith("HTTP/1.1 404 File not found")
    assert put.startswith("HTTP/1.1 501 Unsupported method ('PUT')")


@pytest.mark.slow
def test_get(answers: Try) -> None:
    told, coloured = answers("get.py")
    lines = told.splitlines()
    assert lines[1:7] == [
        *("client_address=127.0.0.1", "command=GET", "path=/some/where?foo=bar", "real path=/some/where"),
        *("query=foo=bar", "request_version=HTTP/1.1"),
    ]
    assert "server_version=BaseHTTP/0.6" in lines and "protocol_version=HTTP/1.0" in lines
    assert "X-Colour=blue" in coloured


@pytest.mark.slow
def test_get_as_a_target(serve: Serve) -> None:
    server = serve(f"{EXAMPLES / 'get.py'}:GetHandler", "--workers", "1")
    assert b"path=/x\n" in server.get("/x").body


def test_post(answers: Try) -> None:
    size = (EXAMPLES / "post.py").stat().st_size
    upload, plain, wrong = answers("post.py")
    assert upload == (
        "Client: 127.0.0.1\nPath: /\nForm data:\n\tname=dhellmann\n\tfoo=bar\n"
        f"\tUploaded datafile as 'post.py' ({size} bytes)\n"
    )
    assert plain == "Client: 127.0.0.1\nPath: /\nForm data:\n\tname=me\n\tcolour=red\n\tcolour=blue\n"
    assert wrong.startswith("HTTP/1.1 415 Unsupported Media Type")
    assert "got Content-Type 'text/plain', wanted one of application/x-www-form-urlencoded, " in wrong


@pytest.mark.slow
def test_threads(answers: Try) -> None:
    (lines,) = answers("threads.py")
    assert re.fullmatch(r"(process \d+, Thread-\d+ .*\n){3}", lines)


@pytest.mark.slow
def test_errors(answers: Try) -> None:
    missing, teapot, deleted = answers("errors.py")
    assert missing.startswith("HTTP/1.1 404 Not Found")
    assert missing.endswith("\n\n404: Not Found\nNothing matches the given URI\n")
    assert teapot.startswith("HTTP/1.1 418 Short and stout")
    assert teapot.endswith("418: Short and stout\nTea is made here.\n")
    assert deleted.startswith("HTTP/1.1 501 ")


@pytest.mark.slow
def test_headers(answers: Try) -> None:
    got, asked = answers("headers.py")
    found = re.search(r"^Last-Modified: (.*)$", got, re.M)
    assert found and email.utils.parsedate_to_datetime(found[1]).year >= 2024
    assert got.endswith("\n\nResponse body\n")
    assert asked.endswith("\n\n")
