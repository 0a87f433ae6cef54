"""The example login.py: by curl, by requests, and in Chromium with the form filled in."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.admin.browser import Browser
from tests.server import ROOT, Server

EXAMPLE = ROOT / "examples" / "login.py"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(EXAMPLE, "--workers", "2", cwd=tmp_path_factory.mktemp("login"))
    server.wait_until_listening()
    yield server
    server.kill()


@pytest.mark.needs("curl")
def test_as_it_says(server: Server, tmp_path: Path) -> None:
    text = EXAMPLE.read_text()
    lines = [line for line in text.splitlines() if line.startswith("curl ")]
    assert len(lines) == 3 and EXAMPLE.name == "login.py"
    said = []
    for line in lines:
        command = line.split("   ")[0].replace("http://127.0.0.1:8000", server.url).split()
        command += ["-sS", "-w", " %{http_code} %{redirect_url}"]
        said.append(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout)
    assert said[0].strip() == f"303 {server.url}/"
    assert "<h1>Hello, ann</h1>" in said[1]
    assert said[2].strip() == f"303 {server.url}/login"


def log_in(client: requests.Session, server: Server, user: str = "ann", password: str = "sesame") -> requests.Response:
    return client.post(f"{server.url}/login", data={"user": user, "password": password})


def test_in_and_out(server: Server) -> None:
    with requests.Session() as client, requests.Session() as thief:
        assert client.get(server.url).url == f"{server.url}/login"
        assert not client.cookies
        assert "logged in: 1." in log_in(client, server).text
        for visit in range(2, 6):
            answer = client.get(server.url)
            assert f"logged in: {visit}." in answer.text
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        thief.cookies.update(client.cookies)
        assert client.post(f"{server.url}/logout").url == f"{server.url}/login"
        assert not client.cookies
        assert thief.get(server.url).url == f"{server.url}/login"


def test_bad_input(server: Server) -> None:
    with requests.Session() as client:
        for user, password in (("ann", "wrong"), ("<b>", "sesame"), ("", "")):
            answer = log_in(client, server, user, password)
            assert (
                answer.status_code == 403 and "Name or password is wrong." in answer.text and "<b>" not in answer.text
            )
        assert client.post(f"{server.url}/login", data=b"no form").status_code == 415
        foreign = client.post(f"{server.url}/login", data={"user": "ann"}, headers={"Origin": "http://evil.example"})
        assert foreign.status_code == 403 and "another site" in foreign.text
        assert not client.cookies
        for _ in range(12):
            answer = log_in(client, server)
            client.cookies.clear()
        assert answer.status_code == 429 and "Too many attempts" in answer.text


def says(text: str) -> str:
    """Return the JavaScript that checks whether the page contains the text."""
    return f"document.body && document.body.innerText.includes({text!r})"


@pytest.mark.slow
@pytest.mark.needs("chromium")
def test_in_a_browser(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(EXAMPLE, "--workers", "2")
    browser = Browser()
    try:
        tab = browser.open(f"{server.url}/login", width=390, height=700)
        tab.wait("document.activeElement === document.getElementById('user')")
        for text in ("ann", "wrong"):
            tab.write(text)
            tab.press("Tab", 9)
        tab.press("Enter", 13, "\r")
        tab.wait(says("Name or password is wrong."))
        tab.shoot(tmp_path / "refused.png")
        assert tab.eval("document.getElementById('user').value") == "ann"
        planted = tab.ask("Network.getCookies")["cookies"]
        assert planted == []

        tab.eval("document.getElementById('password').focus()")
        tab.write("sesame")
        tab.press("Enter", 13, "\r")
        tab.wait(says("Hello, ann"))
        assert tab.eval("location.pathname") == "/"
        (cookie,) = tab.ask("Network.getCookies")["cookies"]
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["session"]) == (True, "Lax", True)
        assert tab.eval("document.cookie") == ""
        for visit in range(2, 6):  # on either worker
            tab.ask("Page.reload")
            tab.wait(says(f"logged in: {visit}."))
        tab.shoot(tmp_path / "welcome.png")

        other = browser.open(f"{server.url}/", width=1280)  # another window of the same browser
        other.wait(says("logged in: 6."))
        other.click("button")
        other.wait("location.pathname === '/login'")
        tab.ask("Page.reload")
        tab.wait("location.pathname === '/login'")
        assert tab.ask("Network.getCookies")["cookies"] == []
        other.shoot(tmp_path / "again.png")
        troubles = [each for each in tab.troubles() + other.troubles() if "403" not in each and "favicon" not in each]
        assert troubles == []
    finally:
        browser.close()
