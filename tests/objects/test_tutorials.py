"""The nine tutorials of CherryPy's documentation, as they are in examples/cherrypy, on CherryPy and on webpy."""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.admin.browser import Browser
from tests.server import ROOT, Server

from .sidebyside import Pair, multipart

EXAMPLES = ROOT / "examples" / "cherrypy"
Make = Callable[..., Pair]
ALIKE = ("body",)  # for strings made at random


def strings(pair: Pair, method: str, path: str, length: int, **more: object) -> tuple[str, str]:
    """Check that two answers differ only in a random string of `length`; return both strings."""
    pair_of = pair.send(method, path, **more)  # type: ignore[arg-type]
    theirs, mine = pair_of
    assert mine.compared(ALIKE) == theirs.compared(ALIKE)
    for seen in pair_of:
        assert re.fullmatch(f"[0-9a-fA-F]{{{length}}}", seen.text)
    return theirs.text, mine.text


def test_1_basic(pair: Make) -> None:
    both = pair(EXAMPLES / "tut01_basic.py")
    assert both.same("GET", "/").text == "Hello world!"
    for method, path in (("HEAD", "/"), ("GET", "/index"), ("GET", "/nothing"), ("GET", "/?x=1"), ("DELETE", "/")):
        both.same(method, path)


@pytest.mark.slow
def test_2_urls(pair: Make) -> None:
    both = pair(EXAMPLES / "tut02_urls.py")
    assert both.same("GET", "/").status == 200
    strings(both, "GET", "/generate", 8)
    for path in ("/generate/more", "/generate?length=3", "/Generate", "/generate/", "/generate//x"):
        both.same("GET", path, ignore=ALIKE if path == "/generate/" else ())


@pytest.mark.slow
def test_3_parameters(pair: Make) -> None:
    both = pair(EXAMPLES / "tut03_parameters.py")
    strings(both, "GET", "/generate?length=16", 16)
    strings(both, "GET", "/generate/5", 5)
    for path in ("/generate?length=x", "/generate?length=1&length=2", "/generate?size=3", "/generate/1/2"):
        assert both.same("GET", path).status in (404, 500)


@pytest.mark.slow
def test_4_form(pair: Make) -> None:
    both = pair(EXAMPLES / "tut04_form.py")
    assert b"<form" in both.same("GET", "/").body
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    strings(both, "POST", "/generate", 12, body=b"length=12", headers=form)
    strings(both, "POST", "/generate?length=3", 3, body=b"", headers=form)
    assert both.same("POST", "/generate", b"size=12", form).status == 400
    assert both.same("POST", "/generate?length=2", b"length=1", form).status == 500  # a list is no number


@pytest.mark.slow
def test_5_sessions(pair: Make) -> None:
    both = pair(EXAMPLES / "tut05_sessions.py")
    assert both.same("GET", "/display").status == 500
    for length in range(1, 9):
        made = strings(both, "GET", f"/generate?length={length}", length, session="me")
        assert tuple(seen.text for seen in both.send("GET", "/display", session="me")) == made
    assert both.same("GET", "/display", session="somebody else").status == 500


@pytest.mark.slow
def test_6_static(pair: Make) -> None:
    both = pair(EXAMPLES / "tut06_static.py", copied=[EXAMPLES / "static"])
    assert both.same("GET", "/", session="me").status == 200
    css = both.same("GET", "/static/css/style.css")
    assert css.fields["content-type"] == "text/css" and b"lightblue" in css.body
    for path in ("/static/css/none.css", "/static/..%2Ftut06_static.py", "/static/%2e%2e%2Fscript.py", "/static/css/"):
        assert both.same("GET", path).status in (403, 404)
    assert both.same("HEAD", "/static/css/style.css").status == 200


@pytest.mark.slow
def test_7_rest(pair: Make) -> None:
    both = pair(EXAMPLES / "tut07_rest.py")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert both.same("GET", "/").status == 500
    made = strings(both, "POST", "/", 6, body=b"length=6", headers=form, session="me")
    assert tuple(seen.text for seen in both.send("GET", "/", session="me")) == made
    assert both.same("PUT", "/", b"another_string=hello", form, session="me").status == 200
    assert both.same("GET", "/", session="me").text == "hello"
    assert both.same("GET", "/", headers={"Accept": "application/json"}, session="me").status == 406
    assert both.same("PATCH", "/", session="me").status == 405
    assert both.same("PUT", "/", b"other=hello", form, session="me").status == 404
    assert both.same("DELETE", "/", session="me").status == 200
    assert both.same("GET", "/", session="me").status == 500


@pytest.mark.slow
def test_8_ajax(pair: Make) -> None:
    both = pair(EXAMPLES / "tut08_ajax.py", copied=[EXAMPLES / "static", EXAMPLES / "page.html"])
    assert b"<script>" in both.same("GET", "/").body
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    made = strings(both, "POST", "/generator", 8, body=b"length=8", headers=form, session="me")
    assert tuple(seen.text for seen in both.send("GET", "/generator", session="me")) == made
    both.same("PUT", "/generator", b"another_string=h%C3%A9llo", form, session="me")
    assert both.same("GET", "/generator", session="me").body == "héllo".encode()
    both.same("DELETE", "/generator", session="me")
    assert both.same("GET", "/generator", session="me").status == 500
    assert both.same("GET", "/static/css/style.css").status == 200


@pytest.mark.slow
@pytest.mark.needs("chromium")
def test_8_in_a_browser(serve: Callable[..., Server]) -> None:
    program = (sys.executable, str(EXAMPLES / "tut08_ajax.py"))
    server = serve("tut08", program=program, bind=None, env={"WEBPY_BIND": "127.0.0.1:0", "WEBPY_WORKERS": "2"})
    browser = Browser()
    try:
        tab = browser.open(f"{server.url}/")
        tab.eval("document.querySelector('#make input').value = 11")
        tab.click("#make button")
        tab.wait("document.querySelector('#the-string').style.display === 'block'")
        made = tab.eval("document.querySelector('#the-string input').value")
        assert re.fullmatch("[0-9a-fA-F]{11}", made)
        assert tab.eval("getComputedStyle(document.body).backgroundColor") == "rgb(173, 216, 230)"
        assert tab.eval("fetch('/generator', {headers: {Accept: 'text/plain'}}).then(a => a.text())") == made
        tab.click("#delete")
        tab.wait("document.querySelector('#the-string').style.display === 'none'")
        assert tab.troubles() == []
    finally:
        browser.close()


def rows(folder: Path) -> list[str]:
    with sqlite3.connect(folder / "my.db") as connection:
        return [value for (value,) in connection.execute("SELECT value FROM user_string ORDER BY value")]


def has_table(folder: Path) -> bool:
    with sqlite3.connect(folder / "my.db") as connection:
        return bool(connection.execute("SELECT name FROM sqlite_master").fetchall())


@pytest.mark.slow
def test_9_database(pair: Make) -> None:
    both = pair(EXAMPLES / "tut09_database.py", copied=[EXAMPLES / "static", EXAMPLES / "page.html"])
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert both.same("GET", "/generator", session="me").body == b""
    made = strings(both, "POST", "/generator", 8, body=b"length=8", headers=form, session="me")
    assert tuple(seen.text for seen in both.send("GET", "/generator", session="me")) == made
    both.same("PUT", "/generator", b"another_string=mine", form, session="me")
    assert both.same("GET", "/generator", session="me").text == "mine"
    both.same("POST", "/generator", b"length=3", form, session="you", ignore=ALIKE)
    both.same("DELETE", "/generator", session="you")

    # a reload makes new workers and leaves the table alone; the end drops it
    both.reload()
    assert both.same("GET", "/generator", session="me").text == "mine"
    assert [rows(folder) for folder in both.folders.values()] == [["mine"], ["mine"]]
    assert both.stop() == (0, 0)
    assert [has_table(folder) for folder in both.folders.values()] == [False, False]


# The scripts that CherryPy itself is installed with: other people's code, of which only the import line is changed.
OWN = {
    "tut04_complex_site": "/ /joke/ /joke /links/ /links/extra/ /links/extra /none",
    "tut06_default_method": "/ /hendrik /remi /nobody /a/b",
    "tut07_sessions": "/ / /",
    "tut09_files": "/ /download /upload",
    "tut10_http_errors": "/ /error?code=403 /error?code=500 /error?code=402 /error?code=x /messageArg /none",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OWN)
def test_cherrypys_own_scripts(pair: Make, name: str) -> None:
    import cherrypy

    folder = Path(cherrypy.__file__).parent / "tutorial"
    files = [path for path in folder.iterdir() if path.suffix in (".conf", ".html", ".pdf")]
    both = pair(folder / f"{name}.py", copied=files)
    for path in OWN[name].split():
        both.same("GET", path, session="me")
    if name == "tut09_files":
        body, headers = multipart([("myFile", '; filename="a.txt"\r\nContent-Type: text/plain', b"x" * 5000)])
        assert "myFile length: 5000" in both.same("POST", "/upload", body, headers).text
