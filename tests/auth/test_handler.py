"""What all schemes share, with schemes of an application's own; and malformed fields."""

from __future__ import annotations

import base64
import contextlib

import pytest

from tests.auth.clients import basic
from tests.server import Server
from webpy import auth


def test_any_scheme(site: Server) -> None:
    any_, key, raising = 'Any realm="webpy"', 'X-Key realm="webpy"', 'Raising realm="webpy"'
    assert site.get("/any").headers.get_all("WWW-Authenticate") == [any_, key, raising]
    assert site.get("/any", headers={"Authorization": "aNy  thing at all "}).body == b"thing at all"
    assert site.get("/any", headers={"Authorization": "Any"}).status == 401
    assert site.get("/any", headers={"Authorization": "X-Key 1"}).body == b"{'key': '1'}"
    assert site.get("/any", headers={"Authorization": "X-Key 2"}).status == 401
    raised = site.get("/any", headers={"Authorization": "Raising x"})
    assert (raised.status, raised.headers["X-More"]) == (401, "yes")
    assert raised.headers.get_all("WWW-Authenticate") == [r'Raising realm="a \"b\""']
    assert site.get("/fewer").headers.get_all("WWW-Authenticate") == [key, raising]
    assert site.get("/fewer", headers={"Authorization": "Any x"}).status == 401
    assert site.get("/nothing", headers={"Authorization": "X-Key 2"}).status == 500
    site.wait_for(r"NotImplementedError: Nothing: wanted a method auth_<scheme>")


def test_forbidden(site: Server) -> None:
    who = basic("ann", "sesame")
    assert site.get("/all", headers=who).status == 200
    assert site.request("PUT", "/all", b"x").status == 401
    denied = site.request("PUT", "/all", b"x", who)
    assert (denied.status, denied.headers["WWW-Authenticate"]) == (403, None)


def test_every_scheme_is_offered_in_order(site: Server) -> None:
    kinds = [field.split()[0] for field in site.get("/all").headers.get_all("WWW-Authenticate") or []]
    assert kinds == ["Bearer", "Digest", "Digest", "Basic"]


def test_what_cannot_work_is_refused_early() -> None:
    with pytest.raises(ValueError, match="control characters"):
        type("Bad", (auth.BasicAuthHandler,), {"auth_realm": "a\r\nSet-Cookie: b"})
    with pytest.raises(ValueError, match="control characters"):
        auth.AuthError("Basic", "a\nb")


def test_same() -> None:
    assert auth.same("ä", "ä".encode()) and not auth.same("a", "b") and not auth.same("a", "aa")


RUBBISH = [
    *("", " ", "Basic", "Basic ", "Basic =", "Basic ====", "Basic a", "Basic !!!!", "Basic YQ==", "Basic,"),
    *("Basic x=y", "Basic YW5u OnNlc2FtZQ==", "Basic \xff\xfe", "Basic " + "QUFB" * 1000, "BASIC\tYQ==", '"Basic" x'),
    "Basic " + base64.b64encode(b"ann:se\0same").decode(),
    *("Digest", "Digest ", "Digest ,", "Digest =", "Digest a", 'Digest a="', 'Digest username="ann"'),
    *("Digest a=b, a=c", "Digest \xff=\xfe", "Digest " + "a=b," * 1000, 'Digest username="\\'),
    *("Bearer", "Bearer ", "Bearer \xe9", "Bearer a b", "Token", "Token a b", "Token \xe9"),
    *(
        ":",
        "\xff",
        "\xe9 x",
        "a/b c",
        "__class__ x",
        "schemes x",
        "realm x",
        "users x",
        "nonces x",
        "auth_basic YQ==",
        ",",
        "x" * 4000,
    ),
]


@pytest.mark.parametrize("path", ["/basic", "/digest", "/bearer", "/all", "/any"])
def test_rubbish(site: Server, path: str) -> None:
    """The answer is 400 or 401, and the connection stays open; conftest checks at the end that nothing raised."""
    with contextlib.closing(site.client()) as client:
        for field in RUBBISH:
            client.putrequest("GET", path)
            client.putheader("Authorization", field.encode("latin-1"))
            client.endheaders()
            answer = client.getresponse()
            answer.read()
            assert answer.status in (400, 401), field
            assert answer.status == 400 or answer.headers["WWW-Authenticate"], field
        client.putrequest("GET", path)
        for credentials in (basic("ann", "sesame"), basic("ann", "sesame")):
            client.putheader("Authorization", credentials["Authorization"])
        client.endheaders()
        assert client.getresponse().status == 400
