"""Features together in one handler: each does its work, also if others fail."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import requests

from tests.server import Server

pytest.importorskip("multipart", reason="pip install 'webpy[form]'")

APP = """
import json
import webpy
from webpy import auth, caching, compression, cors, file, form, negotiation, requestid, session
from webpy.json import new_error

class Notes(
    requestid.RequestIDMixIn,
    cors.CORSMixIn,
    compression.CompressionMixIn,
    auth.BasicAuthMixIn,
    session.SessionMixIn,
    caching.CachingMixIn,
    negotiation.AcceptMixIn,
    form.FormHandler,
):
    auth_realm = 'notes'
    atomic = True
    cors_origins = ('https://a.example',)
    cors_credentials = True

    def login(self, user, password):
        return (user, password) == ('ann', 'secret')

    def do_get(self):
        if self.request.query == 'fail':
            raise KeyError('of a test')
        notes = self.session.get('notes', [])
        if self.accept('text/plain', 'application/json') == 'application/json':
            return 200, json.dumps(notes)
        return 200, '\\n'.join(notes)

    def do_post(self):
        self.session['notes'] = self.session.get('notes', []) + self.request.body.getlist('note')
        if 'conflict' in self.request.body:
            raise webpy.HTTPError(409, headers={'X-Own': 'kept'})
        return 204, None

class Files(cors.CORSMixIn, compression.CompressionMixIn, auth.BasicAuthMixIn, file.ModifyPathHandler):
    cors_origins = ('*',)

    def login(self, user, password):
        return (user, password) == ('ann', 'secret')

routes = {'/notes.*': Notes, **file.new('files', '/files', modify=True, handler=Files)}
error_routes = new_error()
"""

ANN = ("ann", "secret")
ELSEWHERE = {"Origin": "https://a.example"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("mixins")
    (folder / "together.py").write_text(APP)
    (folder / "files").mkdir()
    server = Server("together:routes", "--workers", "2", cwd=folder)
    server.wait_until_listening()
    yield server
    server.kill()


def test_all_of_them_answer(server: Server) -> None:
    with requests.Session() as client:
        client.auth, client.headers["Origin"] = ANN, "https://a.example"
        url = f"{server.url}/notes"
        many = [f"note {number} " + "x" * 20 for number in range(50)]
        assert client.post(url, data={"note": many}).status_code == 204
        assert client.post(url, files={"note": (None, "of another kind")}).status_code == 204
        text = client.get(url, headers={"Accept-Encoding": "gzip"})
        assert text.text.split("\n") == [*many, "of another kind"]
        assert text.headers["Content-Encoding"] == "gzip" and len(text.content) > int(text.headers["Content-Length"])
        told = {member.strip().lower() for member in text.headers["Vary"].split(",")}
        assert told >= {"accept", "accept-encoding", "cookie", "origin"}
        assert text.headers["Access-Control-Allow-Origin"] == "https://a.example"
        assert "private" in text.headers["Cache-Control"] or "no-cache" in text.headers["Cache-Control"]
        as_json = client.get(url, headers={"Accept": "application/json"})
        assert as_json.headers["Content-Type"] == "application/json" and len(as_json.json()) == 51
        again = client.get(url, headers={"Accept-Encoding": "gzip", "If-None-Match": text.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        ids = {answer.headers["X-Request-ID"] for answer in (text, as_json, again)}
        assert len(ids) == 3


def test_errors_keep_what_each_has_to_say(server: Server) -> None:
    url = f"{server.url}/notes"
    refused = requests.get(url, headers={**ELSEWHERE, "X-Request-ID": "mine-1"})
    assert refused.status_code == 401 and refused.json()["error"] == 401
    assert refused.headers["WWW-Authenticate"].startswith('Basic realm="notes"')
    assert refused.headers["X-Request-ID"] == "mine-1"
    assert refused.headers["Access-Control-Allow-Origin"] == ELSEWHERE["Origin"]
    with requests.Session() as client:
        client.auth = ANN
        conflict = client.post(url, data={"note": "kept all the same", "conflict": "1"}, headers=ELSEWHERE)
        assert (conflict.status_code, conflict.headers["X-Own"]) == (409, "kept")
        assert "session=" in conflict.headers["Set-Cookie"] and "Access-Control-Allow-Origin" in conflict.headers
        assert client.get(url).text == "kept all the same"
    broken = requests.get(f"{url}?fail", auth=ANN, headers={"X-Request-ID": "mine-2"})
    assert (broken.status_code, broken.json()["status"]) == (500, "Internal Server Error")
    assert broken.headers["X-Request-ID"] == "mine-2"
    server.wait_for(re.escape("[mine-2] raised"))
    wrong = requests.post(url, data=b"{}", auth=ANN, headers={"Content-Type": "application/json"})
    assert wrong.status_code == 415
    assert requests.post(url, data=b"a", auth=ANN, headers={"Content-Type": "multipart/form-data"}).status_code == 400
    assert requests.get(url, auth=ANN, headers={"Accept": "image/png"}).status_code == 406
    assert requests.put(url, auth=ANN).headers["Allow"] == "GET, HEAD, OPTIONS, POST"


def test_a_preflight_needs_no_login(server: Server) -> None:
    asked = {**ELSEWHERE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    preflight = requests.options(f"{server.url}/notes", headers=asked)
    assert preflight.status_code == 204 and "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert preflight.headers["Access-Control-Allow-Credentials"] == "true"
    assert requests.options(f"{server.url}/notes").status_code == 401


def test_files_behind_a_login_compressed_for_other_origins(server: Server) -> None:
    url, text = f"{server.url}/files/a.txt", "line\n" * 1000
    assert requests.put(url, data=text).status_code == 401
    assert not list((server.cwd / "files").iterdir())
    assert requests.put(url, data=text, auth=ANN, headers=ELSEWHERE).status_code == 201
    whole = requests.get(url, auth=ANN, headers={**ELSEWHERE, "Accept-Encoding": "gzip"})
    assert (whole.text, whole.headers["Content-Encoding"]) == (text, "gzip")
    assert whole.headers["Access-Control-Allow-Origin"] == "*" and whole.headers["ETag"].startswith("W/")
    for _ in range(4):  # on either worker, also from its cache
        plain = requests.get(url, auth=ANN, headers={"Accept-Encoding": "identity"})
        assert (plain.text, plain.headers.get("Content-Encoding")) == (text, None)
        assert requests.get(url).status_code == 401
    part = requests.get(url, auth=ANN, headers={"Range": "bytes=0-3", "Accept-Encoding": "gzip"})
    assert (part.status_code, part.text, part.headers.get("Content-Encoding")) == (206, "line", None)
    held = {"If-None-Match": whole.headers["ETag"], "Accept-Encoding": "gzip"}
    assert requests.get(url, auth=ANN, headers=held).status_code == 304
    assert requests.delete(url, auth=ANN, headers={"If-Match": '"other"'}).status_code == 412
    assert requests.delete(url, auth=ANN).status_code == 204
