"""Basic, by curl, requests, ab and field by field."""

from __future__ import annotations

import base64
import subprocess

import pytest
import requests

from tests.auth.clients import basic, curl, status
from tests.server import Server


@pytest.mark.needs("curl")
def test_curl(site: Server) -> None:
    url = f"{site.url}/basic"
    assert curl("--basic", "-u", "ann:sesame", url) == "ann"
    assert curl("--anyauth", "-u", "ann:sesame", url) == "ann"
    assert status("--basic", "-u", "ann:wrong", url) == 401
    assert status("--basic", "-u", "bob:", url) == 401


def test_field_by_field(site: Server) -> None:
    none = site.get("/basic")
    assert none.status == 401
    assert none.headers.get_all("WWW-Authenticate") == [r'Basic realm="a \"quoted\\\" rÃ©alm, really", charset="UTF-8"']
    assert site.get("/basic", headers=basic("Jäsøn", "päss:wörd €")).body.decode() == "Jäsøn"
    right = basic("ann", "sesame")["Authorization"]
    assert site.get("/basic", headers={"Authorization": right.replace("Basic", "bASIC")}).status == 200
    latin = "Basic " + base64.b64encode(b"J\xe4s\xf8n:x").decode()
    assert site.get("/basic", headers={"Authorization": latin}).status == 401
    assert site.get("/basic", headers={"Authorization": right.replace("Basic", "Digest")}).status == 401
    for malformed in ("YW5u-OnNlc2FtZQ==", "YW5uOnNlc2FtZQ", base64.b64encode(b"ann:ses\0ame").decode(), "YW5u"):
        assert site.get("/basic", headers={"Authorization": f"Basic {malformed}"}).status == 400
    assert site.request("HEAD", "/basic").status == 401
    assert site.request("OPTIONS", "/basic").status == 401
    assert site.request("POST", "/basic", b"x", basic("ann", "sesame")).status == 405
    assert site.request("PUT", "/basic", b"x" * 1000, basic("ann", "sesame")).body == b"ann 1000"


@pytest.mark.needs("curl")
def test_a_client_that_waits_with_its_body_is_told_before(site: Server) -> None:
    url = f"{site.url}/basic"
    waiting = ("-i", "-H", "Expect: 100-continue", "-X", "PUT", "-d", "x" * 100_000)
    refused = curl(*waiting, "-u", "ann:no", url)
    assert refused.startswith("HTTP/1.1 401 ") and " 100 " not in refused.partition("\r\n\r\n")[0]
    let_in = curl(*waiting, "-u", "ann:sesame", url)
    assert let_in.startswith("HTTP/1.1 100 ") and let_in.endswith("ann 100000")


def test_requests(site: Server) -> None:
    with requests.Session() as session:
        assert session.get(f"{site.url}/basic", auth=("ann", "sesame"), timeout=10).text == "ann"
        assert session.get(f"{site.url}/basic", auth=("ann", "no"), timeout=10).status_code == 401
        name, password = "Jäsøn".encode(), "päss:wörd €".encode()
        assert session.get(f"{site.url}/basic", auth=(name, password), timeout=10).content.decode() == "Jäsøn"


@pytest.mark.needs("ab")
def test_ab(site: Server) -> None:
    """Apache's ab has Basic as its only scheme."""

    def ab(*arguments: str) -> str:
        command = ["ab", "-q", "-s", "20", "-n", "100", "-c", "8", *arguments, f"{site.url}/basic"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout

    for more in ((), ("-k",)):
        let_in = ab(*more, "-A", "ann:sesame")
        assert "Complete requests:      100\nFailed requests:        0\n" in let_in and "Non-2xx" not in let_in
    assert "Non-2xx responses:      100\n" in ab("-A", "ann:wrong")
