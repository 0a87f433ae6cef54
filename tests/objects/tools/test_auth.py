"""The tools auth_basic and auth_digest: the same on CherryPy and on webpy, wrong credentials too."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from requests.auth import HTTPDigestAuth

from webpy.objects.tools.basic import checkpassword_htpasswd
from webpy.objects.tools.digest import get_ha1_file_htdigest, synthesize_nonce

from ..sidebyside import Pair

SCRIPT = """
import os

import cherrypy
from cherrypy.lib import auth_basic, auth_digest

HERE = os.path.dirname(os.path.abspath(__file__))
users = {"ann": "secret", "b\\u00e4d": "p\\u00e4ss", "none": ""}


def broken(realm, user, password):
    raise ValueError("a bug")


class Private:
    @cherrypy.expose
    def index(self, **kwargs):
        return "hello %s" % cherrypy.request.login


class Root:
    basic = latin = broken = quotes = plain = hashed = filed = Private()


def basic(realm, checkpassword, **more):
    given = dict(on=True, realm=realm, checkpassword=checkpassword, **more)
    return {"tools.auth_basic." + name: value for name, value in given.items()}


def digest(get_ha1, **more):
    given = dict(on=True, realm="wonder", get_ha1=get_ha1, key="k123", **more)
    return {"tools.auth_digest." + name: value for name, value in given.items()}


cherrypy.quickstart(Root(), "/", {
    "/basic": basic("r", auth_basic.checkpassword_dict(users)),
    "/latin": basic("r", auth_basic.checkpassword_dict(users), accept_charset="ISO-8859-1"),
    "/broken": basic("r", broken),
    "/quotes": basic('my "r"', auth_basic.checkpassword_dict(users)),
    "/plain": digest(auth_digest.get_ha1_dict_plain(users)),
    "/hashed": digest(auth_digest.get_ha1_dict({"ann": auth_digest.md5_hex("ann:wonder:secret")})),
    "/filed": digest(auth_digest.get_ha1_file_htdigest(HERE + "/users.htdigest"), accept_charset="ISO-8859-1"),
})
"""


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


@pytest.fixture(scope="module")
def both(pair: Callable[..., Pair]) -> Iterator[Pair]:
    yield pair(SCRIPT, files={"users.htdigest": f"ann:wonder:{md5('ann:wonder:secret')}\n"})


def encoded(text: str, charset: str = "utf-8") -> str:
    return base64.b64encode(text.encode(charset)).decode()


@pytest.mark.slow
@pytest.mark.parametrize("page", ["basic", "latin", "broken", "quotes"])
def test_auth_basic(both: Pair, page: str) -> None:
    for value in (
        None,
        "Basic " + encoded("ann:secret"),
        "basic " + encoded("ann:secret"),
        "Basic " + encoded("ann:x"),
        "Basic " + encoded("ann:"),
        "Basic " + encoded("none:"),
        "Basic " + encoded("ann:secret:more"),
        "Basic " + encoded("nobody:secret"),
        "Basic " + encoded("bäd:päss"),
        "Basic " + encoded("bäd:päss", "latin-1"),
        "Basic " + encoded("no colon"),
        "Basic " + encoded("ann:secret").rstrip("="),
        "Basic !!!",
        "Basic \xe9",
        "Basic",
        "",
        'Digest x="y"',
        "Bearer token",
    ):
        both.same("GET", f"/{page}/", headers={} if value is None else {"Authorization": value})


@pytest.mark.slow
def test_auth_basic_lets_in_and_refuses(both: Pair) -> None:
    assert both.same("GET", "/basic/", headers={"Authorization": "Basic " + encoded("ann:secret")}).text == "hello ann"
    refused = both.same("POST", "/basic/", "a=1")
    assert (refused.status, refused.fields["www-authenticate"]) == (401, 'Basic realm="r", charset="UTF-8"')


def digest(both: Pair, **given: Any) -> dict[str, str]:
    """Credentials for both: the key is the same, so each takes the other's nonces."""
    value: dict[str, Any] = {
        "username": "ann",
        "password": "secret",
        "realm": "wonder",
        "uri": "/plain/",
        "qop": "auth",
    }
    value |= {"nc": "00000001", "cnonce": "abc", "method": "GET", "nonce": synthesize_nonce("wonder", "k123")} | given
    a1, a2 = md5(f"{value['username']}:{value['realm']}:{value['password']}"), md5(f"{value['method']}:{value['uri']}")
    middle = f"{value['nonce']}:{value['nc']}:{value['cnonce']}:{value['qop']}" if value["qop"] else value["nonce"]
    value.setdefault("response", md5(f"{a1}:{middle}:{a2}"))
    names = ["username", "realm", "nonce", "uri", "response", "algorithm", "opaque"]
    names += ["cnonce"] * bool(value["qop"])
    parts = [f'{name}="{value[name]}"' for name in names if value.get(name) is not None]
    parts += [f"{name}={value[name]}" for name in ("qop", "nc") if value["qop"] and value.get(name) is not None]
    return {"Authorization": "Digest " + ", ".join(parts)}


@pytest.mark.slow
@pytest.mark.parametrize("page", ["plain", "hashed", "filed"])
def test_auth_digest(both: Pair, page: str) -> None:
    for given in (
        {},
        {"uri": "/other/"},
        {"uri": "http://127.0.0.1/plain/"},
        {"qop": None},
        {"algorithm": "MD5"},
        {"algorithm": "SHA-256"},
        {"algorithm": "MD5-sess"},
        {"opaque": "x"},
        {"password": "wrong"},
        {"username": "nobody"},
        {"realm": "other"},
        {"response": "0" * 32},
        {"response": ""},
        {"nonce": "1234567890:abcdef"},
        {"nonce": "zzz"},
        {"nonce": synthesize_nonce("wonder", "k123", 1000)},
        {"nonce": synthesize_nonce("wonder", "k124")},
        {"nonce": synthesize_nonce("other", "k123")},
        {"cnonce": None},
        {"nc": None},
        {"method": "POST"},
    ):
        both.same("GET", f"/{page}/", headers=digest(both, **given))
    for value in ("Digest garbage", "Digest", "Basic " + encoded("ann:secret"), "", 'Digest username="ann"'):
        both.same("GET", f"/{page}/", headers={"Authorization": value})
    both.same("GET", f"/{page}/")


@pytest.mark.slow
def test_auth_digest_tells_of_an_old_nonce(both: Pair) -> None:
    old = synthesize_nonce("wonder", "k123", 1000)
    assert 'stale="true"' in both.same("GET", "/plain/", headers=digest(both, nonce=old)).fields["www-authenticate"]
    wrong = both.same("GET", "/plain/", headers=digest(both, nonce=old, password="x"))
    assert "stale" not in wrong.fields["www-authenticate"]


@pytest.mark.slow
def test_a_bad_digest_is_no_server_error(both: Pair) -> None:
    for given in ({"nonce": "9" * 5000 + ":x"}, {"nonce": "\xb2:x"}, {"qop": "auth-int"}, {"username": "\xff"}):
        _, mine = both.send("GET", "/plain/", headers=digest(both, **given))
        assert mine.status in (400, 401)


@pytest.mark.slow
def test_real_clients(both: Pair) -> None:
    for page in ("plain", "hashed", "filed"):
        session = requests.Session()
        session.trust_env = False
        session.auth = HTTPDigestAuth("ann", "secret")
        for _ in range(4):  # any worker takes the nonce of another
            assert session.get(f"{both.webpy.server.url}/{page}/?a=1").text == "hello ann"
        session.auth = HTTPDigestAuth("ann", "wrong")
        assert session.get(f"{both.webpy.server.url}/{page}/").status_code == 401
    challenge = both.webpy.server.get("/plain/").headers["WWW-Authenticate"]
    assert re.fullmatch(r'Digest realm="wonder", nonce="\d+:[0-9a-f]{32}", algorithm="MD5", qop="auth".*', challenge)


@pytest.mark.slow
@pytest.mark.needs("curl")
def test_curl(both: Pair) -> None:
    for option, page in (("--basic", "basic"), ("--digest", "plain")):
        command = ["curl", "-s", option, "-u", "ann:secret", f"{both.webpy.server.url}/{page}/"]
        assert subprocess.run(command, capture_output=True, check=True, timeout=20).stdout == b"hello ann"


def test_an_htpasswd_file_is_asked(tmp_path: Any) -> None:
    path = tmp_path / "users"
    path.write_text("ann:{SHA}" + base64.b64encode(hashlib.sha1(b"secret").digest()).decode() + "\n")
    check = checkpassword_htpasswd(path)
    assert check("any", "ann", "secret")
    assert not check("any", "ann", "x")
    assert not check("any", "bob", "secret")


def test_an_htdigest_file_is_read_again(tmp_path: Any) -> None:
    path = tmp_path / "users"
    path.write_text(f"ann:r:{md5('ann:r:secret')}\n")
    get_ha1 = get_ha1_file_htdigest(path)
    assert get_ha1("r", "ann") == md5("ann:r:secret")
    path.write_text(f"bob:r:{md5('bob:r:secret')}\n")
    assert get_ha1("r", "ann") is None
    assert get_ha1("r", "bob") == md5("bob:r:secret")
