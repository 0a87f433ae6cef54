"""Digest, by curl, requests, urllib, Chromium and field by field."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from requests.auth import HTTPDigestAuth

from tests.admin.browser import Browser
from tests.auth.clients import challenges, curl, proof, status
from tests.server import Server
from webpy import auth, store


@pytest.mark.needs("curl")
@pytest.mark.parametrize("path", ["/plain", "/md5", "/file"])
def test_curl(site: Server, path: str) -> None:
    url = site.url + path
    assert curl("--digest", "-u", "ann:sesame", *[url] * 6) == "ann" * 6  # one nonce, with rising counts
    assert status("--digest", "-u", "ann:wrong", url) == 401
    assert status("--digest", "-u", "bob:sesame", url) == 401
    long = ("-X", "PUT", "-d", "x" * 100_000)
    assert curl("--digest", "-u", "ann:sesame", *long, url) == "ann 100000"
    # checked twice for one request, before its body and with it, the proof counts once
    assert curl("--digest", "-u", "ann:sesame", *long, "-H", "Expect: 100-continue", url) == "ann 100000"


@pytest.mark.needs("curl")
def test_curl_chooses(site: Server) -> None:
    for scheme in ("--digest", "--basic", "--anyauth"):
        assert curl(scheme, "-u", "ann:sesame", f"{site.url}/all") == "ann"
    offered = curl("-i", f"{site.url}/plain")
    assert re.findall(r'algorithm=([\w-]+), qop="auth"', offered) == ["SHA-256", "MD5"]
    offered = curl("-i", f"{site.url}/file")
    assert re.findall(r'algorithm=([\w-]+), qop="auth"', offered) == ["SHA-256"], "all that the file has"


@pytest.mark.parametrize("path", ["/plain", "/md5", "/file", "/all"])
def test_requests(site: Server, path: str) -> None:
    url = site.url + path
    with requests.Session() as session:
        session.auth = HTTPDigestAuth("ann", "sesame")
        codes = [[each.status_code for each in (*got.history, got)] for got in (session.get(url) for _ in range(4))]
        assert codes == [[401, 200], [200], [200], [200]], "one challenge is enough"
        wrong = session.get(url, auth=HTTPDigestAuth("ann", "wrong"))
        assert (wrong.status_code, len(wrong.history)) == (401, 1)


@pytest.mark.slow
def test_requests_comes_again_with_a_new_nonce(site: Server) -> None:
    with requests.Session() as session:
        session.auth = HTTPDigestAuth("ann", "sesame")
        assert session.get(f"{site.url}/short").status_code == 200
        time.sleep(1.1)
        late = session.put(f"{site.url}/short", data=b"body")
        assert (late.status_code, late.text) == (200, "ann 4")
        (refused,) = late.history
        assert "stale=true" in refused.headers["WWW-Authenticate"]


class Closing(urllib.request.HTTPDigestAuthHandler):
    """Close the refusing answer, which urllib leaves open."""

    def http_error_401(self, req, fp, code, msg, headers):  # type: ignore[no-untyped-def]
        try:
            return super().http_error_401(req, fp, code, msg, headers)
        finally:
            fp.close()


def test_urllib(site: Server) -> None:
    def get(password: str, times: int = 1) -> list[bytes]:
        handler = Closing()
        handler.add_password("plain", site.url, "ann", password)
        opener = urllib.request.build_opener(handler)
        answers = []
        for _ in range(times):
            with opener.open(f"{site.url}/md5", timeout=10) as answer:
                answers.append(answer.read())
        return answers

    assert get("sesame", 5) == [b"ann"] * 5
    with pytest.raises(urllib.error.HTTPError) as caught:
        get("wrong")
    assert caught.value.code == 401
    caught.value.close()


PATH = "/digest?a=b&c=%22"


def test_challenges(site: Server) -> None:
    first = challenges(site.get(PATH))
    assert [each["algorithm"] for each in first] == ["SHA-256", "MD5"]
    assert all("stale" not in each and each["charset"] == "UTF-8" and each["qop"] == "auth" for each in first)
    assert first[0]["realm"].encode("latin-1").decode() == 'réalm, x="y"'
    for number in (0, 1):
        challenge = challenges(site.get(PATH))[number]
        assert site.get(PATH, headers=proof(challenge, PATH)).body == b"ann"
    assert challenges(site.get(PATH))[0]["nonce"] != first[0]["nonce"]


def test_field_by_field(site: Server) -> None:
    challenge = challenges(site.get(PATH))[0]

    def ask(**changes: object) -> int:
        return site.get(PATH, headers=proof(challenge, PATH, **changes)).status  # type: ignore[arg-type]

    assert ask(user="Jäsøn", password="päss:wörd €") == 200
    extended = {"username": None, "username*": "UTF-8''J%C3%A4s%C3%B8n"}
    assert ask(user="Jäsøn", password="päss:wörd €", count=2, **extended) == 200
    assert site.get(PATH, headers=proof(challenge, f"{site.url}{PATH}", count=3)).status == 200  # the absolute form
    assert ask(count=4, response="0") == 400
    for refused in (
        *({"user": "bob", "ha1": ha1} for ha1 in ("", "None", hashlib.sha256(b"").hexdigest())),  # as if missing
        *({"password": "wrong"}, {"user": "bob"}, {"user": "bob", "password": ""}, {"realm": "other"}),
        *({"algorithm": "MD5-sess"}, {"algorithm": "SHA"}, {"algorithm": None}, {"response": "00" * 32}),
        *({"response": "00"}, {"cnonce": "other"}, {"nonce": "made up"}, {"method": "PUT"}, {"username": "J\xe4s"}),
    ):
        assert ask(count=9, **refused) == 401, refused
    for bad in (
        *({name: None} for name in ("username", "realm", "nonce", "uri", "response", "qop", "nc", "cnonce")),
        *({"qop": "auth-int"}, {"nc": "1"}, {"nc": "00000000"}, {"nc": "0000000g"}, {"response": "é"}),
        *({"response": ""}, {"uri": "/other"}, {"uri": "/digest"}, {"username*": "UTF-8''ann"}),
        *({"username": None, "username*": "latin1''ann"}, {"username": None, "username*": "ann"}),
    ):
        assert ask(count=9, **bad) == 400, bad
    assert ask(count=9) == 200, "nothing of that used it up"


def test_the_uri_is_the_target_as_it_was_sent(site: Server) -> None:
    """Routes see the normal form of the path; the client's proof is for the path as it sent it."""
    sent = "//x/../%64igest?a=b&c=%22"
    challenge = challenges(site.get(sent))[0]
    for count, uri in enumerate((sent, PATH, site.url + sent, site.url + PATH), 1):
        assert site.get(sent, headers=proof(challenge, uri, count=count)).body == b"ann", uri
        absolute = site.get(site.url + sent, headers=proof(challenge, uri, count=count + 100))
        assert absolute.body == b"ann", uri
    assert site.get(sent, headers=proof(challenge, "/%64igest?a=b&c=%22", count=9)).status == 400


def test_a_proof_counts_once_on_all_workers(site: Server) -> None:
    """A right proof for a bad nonce, whatever is wrong with that, gets `stale=true`."""
    challenge = challenges(site.get("/plain"))[0]
    again = [site.get("/plain", headers=proof(challenge, "/plain")) for _ in range(16)]
    assert [answer.status for answer in again] == [200] + [401] * 15
    fresh = challenges(again[-1])[0]
    assert fresh["stale"] == "true" and fresh["nonce"] != challenge["nonce"]
    # counts out of order, as parallel connections send them; a proof is for one method
    answers = [site.get("/plain", headers=proof(challenge, "/plain", count=nc)) for nc in (7, 3, 3)]
    assert [answer.status for answer in answers] == [200, 200, 401]
    assert site.request("PUT", "/plain", b"", proof(challenge, "/plain", count=8)).status == 401
    workers: set[str] = set()
    for nc in range(1, 1000):  # a busy machine may have one worker take many connections
        answer = site.get("/plain", headers=proof(fresh, "/plain", count=nc))
        assert answer.status == 200
        workers.add(answer.headers["X-Worker"])
        if len(workers) == 2 and nc >= 16:
            break
    assert len(workers) == 2


def test_of_many_at_once_one_gets_through(site: Server) -> None:
    challenge = challenges(site.get("/plain"))[0]
    got: list[int] = []

    def ask() -> None:
        got.append(site.get("/plain", headers=proof(challenge, "/plain")).status)

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [200] + [401] * 11


def test_old_and_foreign_nonces(site: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    challenge = challenges(site.get("/plain"))[0]
    now = time.time()
    with store.open(f"sqlite:///{site.cwd}/counts.sqlite3") as kept:  # a program with the store has the key
        nonces = auth.Nonces(kept)
        monkeypatch.setattr(time, "time", lambda: now - 200)
        young = {**challenge, "nonce": nonces.issue("plain")}
        monkeypatch.setattr(time, "time", lambda: now - 400)
        old = {**challenge, "nonce": nonces.issue("plain")}
        monkeypatch.undo()
    assert site.get("/plain", headers=proof(young, "/plain")).status == 200
    for stale in (old, {**challenge, "nonce": "A" * 56}):
        refused = site.get("/plain", headers=proof(stale, "/plain"))
        assert (refused.status, challenges(refused)[0]["stale"]) == (401, "true")
        wrong = site.get("/plain", headers=proof(stale, "/plain", password="wrong"))
        assert (wrong.status, "stale" in challenges(wrong)[0]) == (401, False)


def test_what_cannot_work_is_refused_early(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("")
    users = auth.htpasswd(tmp_path / "users")
    with pytest.raises(ValueError, match="wanted htdigest"):
        type("Bad", (auth.DigestAuthHandler,), {"auth_users": users})
    type(
        "Good", (auth.DigestAuthMixIn, auth.BasicAuthMixIn), {"auth_users": users, "password": lambda self, user: None}
    )
    for bad in (("SHA-1",), ()):
        with pytest.raises(ValueError, match="wanted some of SHA-256, MD5"):
            type("Bad", (auth.DigestAuthHandler,), {"auth_algorithms": bad})


@pytest.mark.slow
def test_nonces_and_their_counts_outlive_workers(serve: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "users.htdigest").write_text("")
    server = serve(Path(__file__).parent / "app.py", "--workers", "2")
    first = challenges(server.get("/plain"))[0]
    assert server.get("/plain", headers=proof(first, "/plain")).status == 200
    server.send(signal.SIGHUP)
    server.wait_for("reload done: generation 2 serves")
    assert server.get("/plain", headers=proof(first, "/plain")).status == 401
    answer = server.get("/plain", headers=proof(first, "/plain", count=2))
    assert answer.status == 200
    os.kill(int(answer.headers["X-Worker"]), signal.SIGKILL)
    server.wait_for(r"worker \d gen 2 \[\d+\] is ready", count=3)
    codes = [server.get("/plain", headers=proof(first, "/plain", count=nc)).status for nc in (2, 3, 1, 4)]
    assert codes == [401, 200, 401, 200]
    assert server.stop() == 0


@pytest.mark.slow
@pytest.mark.needs("chromium")
@pytest.mark.timeout(120)
def test_chromium(site: Server) -> None:
    host = site.url.removeprefix("http://")
    browser = Browser()
    try:
        tab = browser.open("about:blank")
        for path, user, name in (
            ("/plain", "ann:sesame", "ann"),
            ("/short", "ann:sesame", "ann"),
            ("/basic", f"{quote('Jäsøn')}:{quote('päss:wörd €')}", "Jäsøn"),
        ):
            tab.ask("Page.navigate", url=f"http://{user}@{host}{path}")
            tab.wait(f"document.body && document.body.innerText === '{name}'")
            tab.go(site.url + path)  # it keeps its credentials
            if path == "/short":
                time.sleep(1.1)  # its nonce ends
            again = f"Promise.all(Array.from({{length: 8}}, () => fetch('{path}').then((got) => got.text())))"
            assert tab.eval(again) == [name] * 8
        tab.ask("Page.navigate", url=f"http://ann:wrong@{host}/md5")
        tab.wait("location.protocol === 'chrome-error:'")
        assert any("status of 401" in trouble for trouble in tab.troubles())
    finally:
        browser.close()
