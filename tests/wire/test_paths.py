"""One path for routes and handlers: no spelling of a path leads a host to what another route guards."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.server import Server

from .client import Client, Reply, get
from .guarded import GUARDED, HOSTS, NAMES, TOPS

AGAIN = settings(max_examples=400, suppress_health_check=list(HealthCheck))
GUARD = re.compile("|".join(f"(?:{regex})" for regex in GUARDED))


class Asker:
    """Asks on one connection, and on another when a refusal closed it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._client: Client | None = None

    def ask(self, target: str, method: str = "GET") -> Reply:
        if self._client is None:
            self._client = Client(self._server)
        self._client.send(get(target, method=method))
        reply = self._client.read(method)
        if reply.get("Connection") == "close":
            self.close()
        return reply

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


@pytest.fixture(scope="module")
def asker(share: Callable[..., Server]) -> Iterator[Asker]:
    with contextlib.closing(Asker(share("paths", "--workers", "1", "--access-log", "off"))) as asker:
        yield asker


# -- spellings ------------------------------------------------------------------------------------------------------

SLASHES = ["/"] * 16 + ["//", "/./", "/%2e/", "/x/../", "/x/%2E%2e/", "/../", "%2F", "%2f", "%252F", "%25252F", "\\"]
SLASHES += ["%5C", "%c0%af", "/;/", "/a.txt/../", "/%00/", "//../", "/..%2f", "/.%00/", "/%20"]


@st.composite
def spelled(draw: st.DrawFn, character: str) -> str:
    """A character as it is, or escaped, once or twice, or in the other case."""
    if character == "/":
        return draw(st.sampled_from(SLASHES))
    upper, lower = f"%{ord(character):02X}", f"%{ord(character):02x}"
    overlong = f"%c1%{0x80 | ord(character) & 0x3F:02x}"
    odd = (f"%25{upper[1:]}", character.swapcase(), f"{character}%00", f"{character}%", f"{character};v=1", overlong)
    return draw(st.sampled_from([*[character] * 40, *[upper] * 8, *[lower] * 8, *odd]))


@st.composite
def targets(draw: st.DrawFn) -> str:
    path = draw(st.sampled_from(TOPS)) + "/" + draw(st.sampled_from(NAMES))
    said = "".join(draw(spelled(character)) for character in path)
    said += draw(st.sampled_from(["", "", "", "/", "?", "?x=1", "?/../a", "?%", "%3Fx", "%23", "/.", "/x/..", "//"]))
    return draw(st.sampled_from(["", "", "", "", "http://b", "HTTPS://b:1"])) + said


# -- what answers ----------------------------------------------------------------------------------------------------


def check(reply: Reply, target: str) -> None:
    """Nothing but a guard answers for what is guarded, and a host answers for paths below its own only."""
    assert reply.status in (200, 301, 400, 403, 404), target
    if reply.status == 200:
        host, _, path = reply.body.decode("latin-1").partition(" ")
        if host == "stdlib":
            base = ""
        else:
            assert host in HOSTS, (target, reply.body)
            base = f"/{host}"
        assert path[:1] == "/", (target, reply.body)
        seen = base + path
        if host != "native":  # whose route says that it takes any query, which the guards do not
            assert not GUARD.fullmatch(seen), (target, reply.body)
        if host == "stdlib":
            assert not re.match(rf"/(?:{'|'.join(HOSTS)})(?:/|\Z)", seen), (target, reply.body)
        assert not {"", ".", ".."} & set(path.strip("/").split("/")) or path == "/", (target, reply.body)
        assert "\0" not in path, target


@pytest.mark.parametrize("top", TOPS)
@pytest.mark.parametrize(
    "below",
    [
        *("/%70rivate/secret.txt", "/%61dmin", "//admin", "/x/../admin", "/x/%2e%2e/admin", "/.//admin", "/admin"),
        *("/private", "/private/", "/private//secret.txt", "/p%72ivate/./x/../secret%2etxt", "/.//./%2e/private/"),
        *("/%70%72%69%76%61%74%65/%73%65%63%72%65%74%2e%74%78%74", "/x/y/../../@staff/list", "//@staff///list"),
    ],
)
def test_the_guard_answers_however_its_path_is_spelled(asker: Asker, top: str, below: str) -> None:
    for target in (top + below, "http://b" + top + below):
        reply = asker.ask(target)
        assert (reply.status, reply.body) == (403, b"guarded"), target


@pytest.mark.parametrize("top", [top for top in TOPS if top != "/native"])
@pytest.mark.parametrize(
    "below",
    [
        *("/admin%2Fx", "/admin%2f", "/private%2Fsecret.txt", "/%70rivate%2fsecret.txt", "/x%2F..%2Fadmin"),
        *("/%2Fadmin", "/..%2Fadmin", "/%2e%2e%2Fadmin", "/admin%00", "/private%00/secret.txt"),
        *("/%40staff/list", "/%40staff", "/@staff?x", "/%40staff?x", "/admin?x=1", "/admin?", "/private?"),
        "/%61dmin?x",
    ],
)
def test_no_host_answers_around_a_guard(asker: Asker, top: str, below: str) -> None:
    """By an escaped slash or NUL, a character that means the same escaped, a query that the guard does not take."""
    reply = asker.ask(top + below)
    assert (reply.status, reply.body) == (404, b"404 - Not Found\n")


@pytest.mark.parametrize("host", ["files", "cgi", "wsgi", "objects"])
def test_hosts_answer_for_all_other_paths(asker: Asker, host: str) -> None:
    for below in ("/a.txt", "/%61.txt", "//a%2Etxt", "/x/../a.txt", "/a.txt?x=1", "/./a.txt?"):
        reply = asker.ask(f"/{host}{below}")
        assert (reply.status, reply.text) == (200, f"{host} /a.txt"), below
    assert asker.ask("/a.txt").text == asker.ask("/cgix/../%61.txt?x").text == "stdlib /a.txt"
    for beside in (f"/{host}x/a.txt", f"/{host}%2Fa.txt", f"/{host};/a.txt", f"/{host}%00/a.txt"):
        assert asker.ask(beside).status == 404


def test_native_handlers_get_what_is_escaped_as_it_is(asker: Asker) -> None:
    for below, group in (("/a%2fb%00%40@", "/a%2Fb%00%40@"), ("/%41//%2525", "/A/%2525"), ("/admin%2Fx", "/admin%2Fx")):
        assert asker.ask(f"/native{below}").text == f"native {group}"


def test_what_is_no_path_is_refused(asker: Asker) -> None:
    for target in ("/..", "/files/../..", "/%2e%2e/files", "http://b/../a", '/a"b', "/a<b>", "/a\\b", "/%", "/%6"):
        assert asker.ask(target).status == 400, target


@AGAIN
@given(target=targets())
@example(target="/files/%2570rivate/secret.txt")
@example(target="/objects/private%252Fsecret.txt")
@example(target="/private%5Csecret.txt")
def test_whatever_answers_the_path_it_decodes_is_of_its_own_route(asker: Asker, target: str) -> None:
    check(asker.ask(target), target)


def test_a_route_that_no_path_can_match_is_named_at_the_start(serve: Callable[..., Server], tmp_path: Path) -> None:
    """A guard that guards nothing is no matter for the day when somebody comes by."""
    (tmp_path / "late.py").write_text("import webpy as web\nroutes = {'/%61dmin(/.*)?': web.HTTPHandler}\n")
    server = serve("late.py", "--workers", "1")
    server.wait_for(r"\[warning\] route '/%61dmin\(/\.\*\)\?' matches no request, .*: write '/admin'$")


def test_the_access_log_has_what_was_sent(start: Callable[..., Server]) -> None:
    server = start("paths", "--workers", "1", "--access-format", "%(r)s %(U)s %(s)s")
    with Client(server) as client:
        client.send(get("//%61dmin") + get("http://b/x/%2e%2e//admin?%61") + get("/a.txt/..//%6f%2f"))
        assert [client.read().status for _ in range(3)] == [403, 404, 404]
    for line in (
        "GET //%61dmin HTTP/1.1 /admin 403",
        "GET http://b/x/%2e%2e//admin?%61 HTTP/1.1 /admin 404",
        "GET /a.txt/..//%6f%2f HTTP/1.1 /o%2F 404",
    ):
        server.wait_for(f"^{re.escape(line)}$", server.log)
